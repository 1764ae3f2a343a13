// Package connectors is the contract between the instance loop (runtime/instance) and its two ends: sources and sinks, and
// the processor between them. A connector reads or writes and says what went wrong; it holds no retry loop, no back-off, no
// batching and no dead letter, and cannot move its own position: all of that is written once, in runtime/instance.
package connectors

import (
	"context"
	"errors"
)

// Property is one header of a record. Order is kept.
type Property struct {
	Key   string
	Value string
}

// MessageID says where in a topic a record was read: entry, and index in its batch (-1: no batch).
type MessageID struct {
	Ledger    int64
	Entry     int64
	Batch     int32
	Partition int32
}

// Record is one message between two systems. Byte slices belong to whoever produced the record until the batch they came in is
// acknowledged.
type Record struct {
	// Topic is where the record goes (from a source, an output of a function) or came from (a topic source), as a full name.
	Topic string
	// Key is the message key; HasKey tells an empty key from none.
	Key    []byte
	HasKey bool
	// Payload is the value; Null marks a null value (a tombstone), which differs from an empty one.
	Payload    []byte
	Null       bool
	Properties []Property
	EventTime  int64 // ms since 1970; 0: none

	// Sequence, when not 0, is the source's own number of this record: it rises with every record, whatever its topic, and is the
	// same for the same record after every restart, so that the broker's deduplication drops what is already there. It stays below 1<<51:
	// outputs made from the record take twelve bits more.
	Sequence uint64

	// Reject, when not empty, says why the source itself found the record unfit (bytes that are no message, a topic name that is none): the
	// loop parks the record with this reason, in its place in the order, and never processes it.
	Reject string

	// Set on records that came from a topic:
	ID          MessageID
	Index       uint64 // the entry's broker index (that of this message); meaningful if HasIndex
	HasIndex    bool
	PublishTime int64
	Redelivery  int32
	Producer    string // name of the producer to use on output when not empty (effectively-once, decisions §8)
	Lease       *Lease // the reader's turn that it was read in; what is made of it may be written while that lasts. nil: for ever
}

// Batch is what one Read returned. Its records are in order.
type Batch struct {
	Records []Record
	// Ack tells the source that records are done for good: accepted by the sink, or parked. Indexes are those of Records; nil means all. Each
	// record is acknowledged exactly once, over one or more calls, which never overlap. Only now may the source move its position, and only over a
	// prefix of what it has read. The records' memory may be reused once all are acknowledged.
	Ack func(ctx context.Context, done []int) error
}

// Guarantee is what a source or sink promises by itself.
type Guarantee string

const (
	AtMostOnce      Guarantee = "at-most-once"
	AtLeastOnce     Guarantee = "at-least-once"
	EffectivelyOnce Guarantee = "effectively-once"
)

// Source reads records. Its methods are called by one goroutine at a time, Ack by another.
type Source interface {
	// Connect opens the source at its last acknowledged position. It is called again after an error of class Retry.
	Connect(ctx context.Context) error
	// Read blocks until there are records, and returns those that are there (at most what one batch should hold). An error
	// ends the connection: the loop classifies it (see Class) and reconnects or stops.
	Read(ctx context.Context) (Batch, error)
	// Close frees everything; also after a failed Connect. Idempotent.
	Close() error
}

// Sink writes records.
type Sink interface {
	Connect(ctx context.Context) error
	// Write writes the records in order and returns when all are durable there. A *BatchError tells which records failed;
	// any other error means that none is known to have arrived. Writing again what may have arrived is the caller's choice.
	Write(ctx context.Context, records []Record) error
	Close() error
}

// Verdict is what a processor decided about one input.
type Verdict uint8

const (
	Accept Verdict = iota // done, with all its outputs
	Again                 // a passing failure: try again later
	Reject                // never to be tried again: park it with the reason
)

// Result is the verdict on one input with its reason, a text for people.
type Result struct {
	Verdict Verdict
	Reason  string
}

// Output is one record made from input Input (an index into the batch processed).
type Output struct {
	Input  int
	Record Record
}

// Processor turns records into records. One goroutine at a time.
type Processor interface {
	// Process handles a batch in one call. results has one element per input. outputs are ordered by input; they are valid until the
	// next call. An error means that the whole batch failed and nothing of it was decided (a trap, a deadline): the loop then
	// tries the records one by one to find the culprit. The processor must be usable after an error.
	Process(ctx context.Context, in []Record) (outputs []Output, results []Result, err error)
	Close() error
}

// Class says what the loop should do about an error of a connector.
type Class uint8

const (
	Retry        Class = iota // passing: reconnect with back-off. The default for errors without a class
	BadData                   // this record will never go: park it, go on
	BadConfig                 // stop until the configuration changes
	NoPermission              // stop until somebody grants it; tried again slowly
	Fatal                     // stop: going on would lose or double something; a person has to decide
)

func (c Class) String() string {
	return [...]string{"retry", "bad data", "bad configuration", "no permission", "fatal"}[c]
}

// Error gives an error its class.
type Error struct {
	Class Class
	Err   error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// As wraps err with a class; nil stays nil.
func As(class Class, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Class: class, Err: err}
}

// ClassOf is the class of err: that of the outermost Error in its chain, else Retry.
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return Retry
}

// BatchError tells which records of a Write failed, by index; the others arrived.
type BatchError struct {
	Failed map[int]error
}

func (e *BatchError) Error() string {
	for _, err := range e.Failed {
		if len(e.Failed) == 1 {
			return err.Error()
		}
		return "several records failed, one of them: " + err.Error()
	}
	return "no record failed"
}

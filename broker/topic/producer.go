package topic

import (
	"time"

	"github.com/strobemq/strobe/broker/wire/pb"
)

// ProducerOptions are what PRODUCER says about one producer.
type ProducerOptions struct {
	ID       uint64 // producer_id: the connection's number for it
	Name     string // empty: the topic makes one
	Epoch    uint64 // counts the client's reconnections of this producer
	Mode     pb.ProducerAccessMode
	Receipts Receipts

	// TopicEpoch is what an exclusive producer was told when it was last connected; nil: the first time.
	TopicEpoch *uint64
	// Ready is called, off the topic's locks, when a producer that waits for its turn (WaitForExclusive) got it, or with a *Refusal when
	// it never will. It must not block. Needed with that mode only.
	Ready func(p *Producer, a Admission, err error)

	Schema              *pb.Schema // nil: none
	InitialSubscription string     // made, at the topic's start, before the producer is let in; empty: none
	Metadata            map[string]string

	// For statistics only.
	Address       string
	ClientVersion string
}

// Admission is the content of PRODUCER_SUCCESS.
type Admission struct {
	Name          string
	LastSequence  int64  // highest persisted sequence id of the name; -1: none, or deduplication is off
	SchemaVersion []byte // nil: none
	TopicEpoch    *uint64
	Ready         bool // false: the producer waits to become exclusive
}

// Producer is one producer attached to a Topic. After Close, or after the topic detached it (Receipts.Disconnect), what is sent on it
// comes back refused.
type Producer struct {
	topic  *Topic
	o      ProducerOptions
	joined time.Time
	schema []byte // version

	// Guarded by topic.mu:
	closed    bool
	waiting   bool // for its turn to be exclusive
	dedup     *dedupEntry
	submitted uint64   // publishes handed to the ledger
	completed uint64   // of them
	later     pubQueue // publishes that are decided, or nearly, but come after others that are not
	counters
}

// ID is the producer_id.
func (p *Producer) ID() uint64 { return p.o.ID }

// Name is the producer's name, given or made.
func (p *Producer) Name() string { return p.o.Name }

// Topic is what the producer is attached to.
func (p *Producer) Topic() *Topic { return p.topic }

// Close detaches the producer. Publishes on their way complete and come back through Receipts. Idempotent.
func (p *Producer) Close() error {
	p.topic.removeProducer(p)
	return nil
}

// pubQueue is publishes in order, linked through Publish.link.
type pubQueue struct{ head, tail *Publish }

func (q *pubQueue) push(p *Publish) {
	p.link = nil
	if q.tail == nil {
		q.head = p
	} else {
		q.tail.link = p
	}
	q.tail = p
}

func (q *pubQueue) pop() *Publish {
	p := q.head
	if p != nil {
		if q.head = p.link; q.head == nil {
			q.tail = nil
		}
		p.link = nil
	}
	return p
}

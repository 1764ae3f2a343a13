// Package instance is the loop that every function, source and sink runs in:
//
//	Source.Read -> queue -> Processor.Process -> outbox -> Sink.Write -> Source ack
//
// Four goroutines, one for each arrow, run beside each other. Nothing waits for a batch to fill: while a call or a write is under way its
// inputs gather, and the next one takes all that is there, up to a limit. One write is in flight at a time.
//
// What connectors do not do is done here, once: retry with back-off, counting attempts, finding the record that makes a call fail, parking what
// will never succeed, order, limits of what is in flight, sequences for effectively-once, drain, status.
//
// An input is acknowledged when all its outputs are durable, or its dead letter is; an input without outputs at once.
package instance

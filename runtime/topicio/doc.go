// Package topicio is Source and Sink on topics, and below them a small client of the Pulsar protocol that moves entries, not
// messages: what arrives as one entry goes through a guest as one batch, and what leaves is one entry with sequence_id and
// highest_sequence_id both set, so that deduplication judges batches right however they form after a crash.
//
// The client has one goroutine a connection and no timers. It does not reconnect: an error ends the connection, and the
// instance loop, which owns retries, connects again.
package topicio

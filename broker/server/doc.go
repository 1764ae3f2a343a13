// Package server is the broker's side of the Pulsar protocol: a listener, connections, one file per command named by its wire id.
//
// # A connection
//
// Two goroutines. The reader fills slabs from the socket, cuts frames, and treats all that one read brought as one list: SENDs are
// gathered by topic and published with one call, acknowledgements by consumer. The writer takes all that is queued and
// writes it at once; small things are copied together, large payloads go out by reference. Whoever completes a publish or dispatches
// an entry only appends to the queue and never waits for a socket.
//
// Commands that may wait for metadata or a device (PRODUCER, SUBSCRIBE, LOOKUP, SEEK, ...) run on a goroutine of their own, so that
// they do not hold up the acknowledgements behind them; their number is bounded and the connection joins them.
//
// # Back-pressure
//
// Counted in bytes. Options.PublishBudget bounds what all connections have received and not yet answered, Options.MaxInFlight one
// connection's part of it; only these stop reading from a socket, and only from sockets with something in flight, so that the
// acknowledgements of a connection that publishes nothing always get in. Options.MaxOutput is how much output may wait for one
// client before dispatch to its consumers pauses (their permits are kept).
//
// # Lock order
//
// The locks of topics and subscriptions, then the output's. conn.mu is held while nothing else is called.
package server

package bookie

import "sync/atomic"

type counters struct {
	entries atomic.Int64
	bytes   atomic.Int64
	refused atomic.Int64
	fences  atomic.Int64
	dropped atomic.Int64
}

// Metrics is a bookie at one moment. Counters count since its start.
type Metrics struct {
	QueueBytes  int64 // adds in flight, over all connections
	QueueLimit  int64 // of one connection
	Connections int
	Ledgers     int   // whose keys and fences are in memory
	Entries     int64 // counter: entries made durable
	EntryBytes  int64 // counter: their bytes, headers included
	Refused     int64 // counter: adds not taken (fence, key, no room, read-only) or failed
	Fences      int64 // counter: ledgers fenced
	Dropped     int64 // counter: ledgers collected
	Registered  bool  // clients can find the bookie
}

// Metrics takes a snapshot.
func (b *Bookie) Metrics() Metrics {
	m := Metrics{
		QueueLimit: b.queue, Entries: b.metrics.entries.Load(), EntryBytes: b.metrics.bytes.Load(), Refused: b.metrics.refused.Load(),
		Fences: b.metrics.fences.Load(), Dropped: b.metrics.dropped.Load(), Registered: b.registered.Load(),
	}
	b.mu.Lock()
	m.Ledgers, m.Connections = len(b.states), len(b.conns)
	conns := make([]*Local, 0, len(b.conns))
	for c := range b.conns {
		conns = append(conns, c)
	}
	b.mu.Unlock()
	for _, c := range conns {
		c.mu.Lock()
		m.QueueBytes += c.bytes
		c.mu.Unlock()
	}
	return m
}

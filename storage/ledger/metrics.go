package ledger

import "sync/atomic"

type counters struct {
	created    atomic.Int64
	recoveries atomic.Int64
	changes    atomic.Int64
	failures   atomic.Int64
	fallbacks  atomic.Int64
	fenced     atomic.Int64
}

// Metrics is a client at one moment. Counters count since its start.
type Metrics struct {
	Writers      int   // ledgers open for writing
	Quarantined  int   // bookies that failed lately
	WaitingMarks int   // under-replication marks to be written
	MarkLimit    int   // how many may wait
	Created      int64 // counter: ledgers made
	Recoveries   int64 // counter: ledgers recovered
	Changes      int64 // counter: ensembles changed
	Failures     int64 // counter: bookies taken out of a ledger
	Fallbacks    int64 // counter: reads for which the first replica was no good
	Fenced       int64 // counter: writers that were fenced
}

// Metrics takes a snapshot.
func (c *Client) Metrics() Metrics {
	m := Metrics{
		Quarantined: len(c.avoided()), MarkLimit: maxMarks,
		Created: c.metrics.created.Load(), Recoveries: c.metrics.recoveries.Load(), Changes: c.metrics.changes.Load(),
		Failures: c.metrics.failures.Load(), Fallbacks: c.metrics.fallbacks.Load(), Fenced: c.metrics.fenced.Load(),
	}
	c.mu.Lock()
	m.Writers = len(c.writers)
	c.mu.Unlock()
	c.marks.mu.Lock()
	m.WaitingMarks = len(c.marks.waiting)
	c.marks.mu.Unlock()
	return m
}

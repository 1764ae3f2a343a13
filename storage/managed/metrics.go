package managed

import "sync/atomic"

type counters struct {
	created   atomic.Int64
	recovered atomic.Int64
	trimmed   atomic.Int64
	fenced    atomic.Int64
	nodes     atomic.Int64
}

// Metrics is a Manager at one moment. Counters count since New.
type Metrics struct {
	Open           int   // managed ledgers that are open
	LedgersCreated int64 // counter: ledgers begun, those of cursors included
	Recovered      int64 // counter: ledgers that ended early and whose end had to be found
	LedgersTrimmed int64 // counter: ledgers deleted because they were consumed, or empty
	Fenced         int64 // counter: managed ledgers that another owner took
	NodeWrites     int64 // counter: writes of metadata nodes
	CursorWrites   int64 // counter: cursor positions handed to writing
	CursorsWaiting int   // cursors that wait for their turn to be written
	CursorBudget   int   // positions that may be written a second
	CacheLimit     int64 // bytes
	Cache          CacheStats
}

// Metrics takes a snapshot.
func (m *Manager) Metrics() Metrics {
	m.mu.Lock()
	open := len(m.open)
	m.mu.Unlock()
	waiting, writes := m.flusher.stats()
	return Metrics{
		Open: open, LedgersCreated: m.count.created.Load(), Recovered: m.count.recovered.Load(), LedgersTrimmed: m.count.trimmed.Load(),
		Fenced: m.count.fenced.Load(), NodeWrites: m.count.nodes.Load(), CursorWrites: writes, CursorsWaiting: waiting,
		CursorBudget: m.opts.FlushRate, CacheLimit: m.opts.CacheBytes, Cache: m.cache.Stats(),
	}
}

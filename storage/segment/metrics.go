package segment

import "sync/atomic"

type counters struct {
	syncs     atomic.Int64
	bytes     atomic.Int64
	ahead     atomic.Int64
	sealed    atomic.Int64
	freed     atomic.Int64
	recycled  atomic.Int64
	survivors atomic.Int64
}

// Metrics is the log at one moment. Counters count since Open.
type Metrics struct {
	QueueBytes     int64 // records that wait or are being written
	QueueLimit     int64
	Syncs          int64 // counter: groups made durable
	WrittenBytes   int64 // counter: bytes of groups and index blocks
	AheadBytes     int64 // counter: zeros written over the next segment before it was needed
	OpenSegments   int   // without a footer
	SealedSegments int
	PoolSegments   int   // dead, to be recycled
	Sealed         int64 // counter
	Freed          int64 // counter: segments that died
	Recycled       int64 // counter: segments begun in a file that was written before
	Survivors      int64 // counter: entries appended again to free their segment
	IndexBytes     int64 // memory of the open segments' indexes, about
	DiskFree       int64 // -1: not known
	Damaged        int   // ranges set aside
	Limbo          bool  // a part of the log was lost
	ReadOnly       bool
}

// Metrics takes a snapshot.
func (l *Log) Metrics() Metrics {
	m := Metrics{
		QueueBytes: l.queue.pending(), QueueLimit: l.queue.limit,
		Syncs: l.metrics.syncs.Load(), WrittenBytes: l.metrics.bytes.Load(), AheadBytes: l.metrics.ahead.Load(), Sealed: l.metrics.sealed.Load(),
		Freed: l.metrics.freed.Load(), Recycled: l.metrics.recycled.Load(), Survivors: l.metrics.survivors.Load(),
		Limbo: l.lostUpTo.Load() > 0, ReadOnly: l.refusing(),
	}
	l.reg.mu.RLock()
	open := l.reg.open
	m.OpenSegments, m.SealedSegments, m.PoolSegments = len(open), len(l.reg.sealed), len(l.reg.pool)
	l.reg.mu.RUnlock()
	for _, a := range open {
		m.IndexBytes += a.index.memory()
	}
	l.state.mu.Lock()
	m.Damaged = len(l.state.damage)
	l.state.mu.Unlock()
	free, err := l.fs.Free(l.dir)
	if err != nil {
		free = -1
	}
	m.DiskFree = free
	return m
}

package segment

import "sync"

// cache keeps what reads found out about places: what the table knows of ledgers and runs of footers. It holds two generations of at most half
// the limit each; what is used moves to the young one, and the old one goes at once when the young is full.
type cache struct {
	mu         sync.Mutex
	limit      int
	bytes      int // of young
	young, old map[cacheKey]cached
}

// cacheKey is a ledger and a generation; generation 0: what the table knows of it.
type cacheKey struct {
	ledger     int64
	generation uint64
}

type cached struct {
	sealed  sealedLedger
	version uint64 // of the table when sealed was read
	runs    *sealedRuns
	bytes   int
}

// sealedLedger is what the table knows of a ledger.
type sealedLedger struct {
	ledgerRow
	known bool
	rows  []row // where it lies in sealed segments, oldest first
}

func (c *cache) get(k cacheKey) (cached, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v, ok := c.young[k]; ok {
		return v, true
	}
	v, ok := c.old[k]
	if ok {
		delete(c.old, k)
		c.addLocked(k, v)
	}
	return v, ok
}

func (c *cache) put(k cacheKey, v cached) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.addLocked(k, v)
}

func (c *cache) addLocked(k cacheKey, v cached) {
	if c.young == nil || c.bytes+v.bytes > c.limit/2 {
		c.old, c.young, c.bytes = c.young, map[cacheKey]cached{}, 0
	}
	c.young[k] = v
	c.bytes += v.bytes
}

// sealed returns what the table knows of a ledger; the caller must not change it.
func (l *Log) sealed(ledger int64) (sealedLedger, error) {
	version := l.table.version.Load()
	k := cacheKey{ledger, 0}
	if v, ok := l.cache.get(k); ok && v.version == version {
		return v.sealed, nil
	}
	var s sealedLedger
	var err error
	if s.ledgerRow, s.known, err = l.table.ledger(ledger); err != nil || !s.known {
		return s, err
	}
	if s.rows, err = l.table.rows(ledger); err != nil {
		return s, err
	}
	l.cache.put(k, cached{sealed: s, version: version, bytes: 300 + len(s.rows)*72})
	return s, nil
}

// runs returns the runs of a ledger in a sealed segment.
func (l *Log) runs(s *segment, ledger int64, r row) (*sealedRuns, error) {
	k := cacheKey{ledger, s.generation}
	if v, ok := l.cache.get(k); ok {
		return v.runs, nil
	}
	runs, err := s.readRuns(r)
	if err != nil {
		return nil, err
	}
	l.cache.put(k, cached{runs: runs, bytes: 100 + runs.memory()})
	return runs, nil
}

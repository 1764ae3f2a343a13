package managed

import "github.com/strobemq/strobe/storage/bk"

// tick drops what was not used for long, oldest first.
func (c *Cache) tick() {
	c.mu.Lock()
	c.age++
	for len(c.slabs) > 0 && c.slabs[0].touched+cacheTicks < c.age {
		c.evictLocked()
	}
	empty := len(c.slabs) == 0
	if empty {
		c.slabs, c.timer, c.free = nil, nil, nil
	} else if !c.closed {
		c.timer.Reset(cacheTick)
	}
	c.mu.Unlock()
	if empty {
		bk.TrimSlabs()
	}
}

// mostRuns is the number of runs in a slab up to which it is worth asking whether all of them are consumed.
const mostRuns = 256

// dropConsumed drops the oldest slabs as far as every cursor is behind what is in them. The managed ledgers are asked without the
// cache's lock, which comes after theirs.
func (c *Cache) dropConsumed() {
	for {
		c.mu.Lock()
		if len(c.slabs) < 2 || len(c.slabs[0].runs) > mostRuns {
			c.mu.Unlock()
			return
		}
		s := c.slabs[0]
		members := append([]*cachedLedger(nil), s.runs...)
		ends := make([]int64, len(members))
		for i, l := range members {
			ends[i] = l.endIn(s)
		}
		c.mu.Unlock()
		for i, l := range members {
			if ends[i] >= 0 && !l.owner.consumed(bk.Position{Ledger: l.id, Entry: ends[i]}) {
				return
			}
		}
		c.mu.Lock()
		if len(c.slabs) > 1 && c.slabs[0] == s {
			c.evictLocked()
		}
		c.mu.Unlock()
	}
}

// endIn is the last entry of l in s, -1 when there is none. It looks at the first runs only, which are in the oldest slab.
func (l *cachedLedger) endIn(s *cacheSlab) int64 {
	end := int64(-1)
	for _, r := range l.runs {
		if r.slab != s {
			break
		}
		end = r.first + int64(r.n) - 1
	}
	return end
}

// consumed reports whether every cursor that reads has acknowledged p.
func (l *Ledger) consumed(p bk.Position) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.cursors {
		if c.name != dedupCursor && c.markDelete.Less(p) {
			return false
		}
	}
	for c := range l.loose {
		if c.markDelete.Less(p) {
			return false
		}
	}
	return true
}

// dedupCursor only remembers sequence ids (interop §7.15) and reads nothing while the topic is loaded.
const dedupCursor = "pulsar.dedup"

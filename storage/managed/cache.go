package managed

import (
	"sync"

	"github.com/strobemq/strobe/storage/bk"
)

const (
	slabFirst = 64 << 10 // the slab that is begun when nothing is cached
	slabMost  = 1 << 20
)

// Cache keeps what was appended last, for all managed ledgers of a process: a first-in-first-out queue of slabs with a budget of
// bytes. Entries are copied into it, head and body joined: readers need them in one piece, the receive buffers they came in are
// free again at once, and the budget counts what is really held (a retained body would hold its whole receive slab). The copy costs
// 14 ns a KiB. When nothing is appended nothing runs; a trim gives the memory back.
type Cache struct {
	mu      sync.Mutex
	budget  int64
	bytes   int64        // of all slabs
	slabs   []*cacheSlab // oldest first; the last is being filled
	ledgers map[int64]*cachedLedger
	hits    int64
	misses  int64
}

// cacheSlab is one slab and who has entries in it.
type cacheSlab struct {
	slab    *bk.Slab
	used    int
	members []*cachedLedger
}

// cachedLedger is the entries of one ledger that are cached: consecutive ones from first on, in slabs in the order of filling.
type cachedLedger struct {
	id    int64
	first int64
	items []cachedItem
}

type cachedItem struct {
	slab     *cacheSlab
	from, to int32
}

func newCache(budget int64) *Cache {
	return &Cache{budget: budget, ledgers: map[int64]*cachedLedger{}}
}

// put takes copies of confirmed entries of one ledger, in order.
func (c *Cache) put(ledger int64, adds []*bk.Add) {
	if c.budget <= 0 || len(adds) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.ledgers[ledger]
	if l == nil {
		l = &cachedLedger{id: ledger, first: adds[0].Entry}
		c.ledgers[ledger] = l
	}
	if len(l.items) == 0 {
		l.first = adds[0].Entry
	}
	for _, a := range adds {
		if a.Entry != l.first+int64(len(l.items)) {
			c.forgetLocked(l)
			l.first = a.Entry
		}
		n := a.Len()
		s := c.roomLocked(n)
		copy(s.slab.Bytes()[s.used:], a.Head)
		copy(s.slab.Bytes()[s.used+len(a.Head):], a.Body.B)
		l.items = append(l.items, cachedItem{s, int32(s.used), int32(s.used + n)})
		s.used += n
		if k := len(s.members); k == 0 || s.members[k-1] != l {
			s.members = append(s.members, l)
		}
	}
}

// roomLocked is the slab to put n bytes into. Old slabs go when the budget is used up, but never the one returned.
func (c *Cache) roomLocked(n int) *cacheSlab {
	if k := len(c.slabs); k > 0 {
		if s := c.slabs[k-1]; len(s.slab.Bytes())-s.used >= n {
			return s
		}
	}
	size := slabMost
	if c.bytes < slabMost {
		size = max(slabFirst, int(c.bytes))
	}
	slab := bk.NewSlab(max(size, n))
	s := &cacheSlab{slab: slab}
	c.slabs = append(c.slabs, s)
	c.bytes += int64(len(slab.Bytes()))
	for c.bytes > c.budget && len(c.slabs) > 1 {
		c.evictLocked()
	}
	return s
}

func (c *Cache) evictLocked() {
	s := c.slabs[0]
	c.slabs[0] = nil
	c.slabs = c.slabs[1:]
	c.bytes -= int64(len(s.slab.Bytes()))
	for _, l := range s.members {
		n := 0
		for n < len(l.items) && l.items[n].slab == s {
			n++
		}
		clear(l.items[:n])
		l.items = l.items[n:]
		l.first += int64(n)
		if len(l.items) == 0 && c.ledgers[l.id] == l {
			delete(c.ledgers, l.id)
		}
	}
	s.slab.Release()
}

// get appends the cached entries first..last of a ledger to dst as far as they lie here without a gap from first on, at most max of
// them and budget bytes (the first whatever its size). The caller releases the payloads.
func (c *Cache) get(dst []Entry, ledger, first, last int64, max int, budget int) []Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.ledgers[ledger]
	if l == nil || first < l.first {
		c.misses++
		return dst
	}
	n := 0
	for e := first; e <= last && e-l.first < int64(len(l.items)) && n < max; e++ {
		it := l.items[e-l.first]
		budget -= int(it.to - it.from)
		if budget < 0 && n > 0 {
			break
		}
		dst = append(dst, Entry{bk.Position{Ledger: ledger, Entry: e}, it.slab.slab.Buf(int(it.from), int(it.to))})
		n++
	}
	if n > 0 {
		c.hits++
	} else {
		c.misses++
	}
	return dst
}

// forget drops a ledger's entries from the index; their memory goes with its slabs.
func (c *Cache) forget(ledger int64) {
	c.mu.Lock()
	if l := c.ledgers[ledger]; l != nil {
		c.forgetLocked(l)
		delete(c.ledgers, ledger)
	}
	c.mu.Unlock()
}

func (c *Cache) forgetLocked(l *cachedLedger) {
	clear(l.items)
	l.items = l.items[:0]
}

// Stats are what a metrics endpoint shows: bytes held, and reads that found their first entry here or did not.
func (c *Cache) Stats() (bytes, hits, misses int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes, c.hits, c.misses
}

// Drop empties the cache: for a process that has become idle or short of memory.
func (c *Cache) Drop() {
	c.mu.Lock()
	for len(c.slabs) > 0 {
		c.evictLocked()
	}
	c.mu.Unlock()
}

func (c *Cache) close() { c.Drop() }

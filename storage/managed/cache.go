package managed

import (
	"sync"
	"time"

	"github.com/strobemq/strobe/storage/bk"
)

const (
	slabFirst = 64 << 10 // the slab that is begun when nothing is cached
	slabMost  = 1 << 20
)

// Cache keeps what was appended last, for all managed ledgers of a process: a first-in-first-out queue of slabs with a budget of
// bytes. Entries are copied into it, head and body joined: readers need them in one piece, the receive buffers they came in are
// free again at once, and the budget counts what is really held, whereas a retained body would hold its whole receive slab.
//
// A slab that was neither filled nor read for a while goes, so that an idle process gives the memory back. The one timer for that
// runs only while something is cached.
type Cache struct {
	mu      sync.Mutex
	budget  int64
	bytes   int64        // of all slabs
	entries int64        // of all slabs
	slabs   []*cacheSlab // oldest first; the last is being filled
	ledgers map[int64]*cachedLedger
	age     int64       // counts the timer's ticks
	timer   *time.Timer // nil while nothing is cached
	stats   CacheStats
	closed  bool
}

// CacheStats are the figures of a Cache since the start.
type CacheStats struct {
	Bytes   int64 // held now
	Entries int64 // held now
	Hits    int64 // reads that found their first entry
	Misses  int64 // reads that did not
}

const (
	// cacheTick and cacheTicks say when a slab that nobody used goes: after two to three ticks.
	cacheTick  = 5 * time.Second
	cacheTicks = 2
	// itemBytes is what the index holds for an entry; it counts against the budget.
	itemBytes = 16
)

// cacheSlab is one slab and who has entries in it.
type cacheSlab struct {
	slab    *bk.Slab
	used    int
	entries int64
	touched int64 // the tick of the last use
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
	if c.closed {
		return
	}
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
		s.entries++
		c.entries++
		s.touched = c.age
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
	for c.bytes+itemBytes*c.entries > c.budget && len(c.slabs) > 1 {
		c.evictLocked()
	}
	if c.timer == nil {
		c.timer = time.AfterFunc(cacheTick, c.tick)
	}
	return s
}

// tick drops what was not used for long, oldest first.
func (c *Cache) tick() {
	c.mu.Lock()
	c.age++
	for len(c.slabs) > 0 && c.slabs[0].touched+cacheTicks < c.age {
		c.evictLocked()
	}
	empty := len(c.slabs) == 0
	if empty {
		c.slabs, c.timer = nil, nil
	} else {
		c.timer.Reset(cacheTick)
	}
	c.mu.Unlock()
	if empty {
		bk.TrimSlabs()
	}
}

func (c *Cache) evictLocked() {
	s := c.slabs[0]
	c.slabs[0] = nil
	c.slabs = c.slabs[1:]
	c.bytes -= int64(len(s.slab.Bytes()))
	c.entries -= s.entries
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
func (c *Cache) get(dst []Entry, ledger, first, last int64, max, budget int) []Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.ledgers[ledger]
	if l == nil || first < l.first {
		c.stats.Misses++
		return dst
	}
	n := 0
	for e := first; e <= last && e-l.first < int64(len(l.items)) && n < max; e++ {
		it := l.items[e-l.first]
		budget -= int(it.to - it.from)
		if budget < 0 && n > 0 {
			break
		}
		it.slab.touched = c.age
		dst = append(dst, Entry{bk.Position{Ledger: ledger, Entry: e}, it.slab.slab.Buf(int(it.from), int(it.to))})
		n++
	}
	if n > 0 {
		c.stats.Hits++
	} else {
		c.stats.Misses++
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

// Stats are the cache's figures.
func (c *Cache) Stats() CacheStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Bytes, s.Entries = c.bytes, c.entries
	return s
}

// Drop empties the cache: for a process short of memory.
func (c *Cache) Drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.slabs) > 0 {
		c.evictLocked()
	}
}

func (c *Cache) close() {
	c.Drop()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.timer != nil {
		c.timer.Stop()
	}
}

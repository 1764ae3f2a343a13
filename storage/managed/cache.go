package managed

import (
	"sort"
	"sync"
	"time"

	"github.com/strobemq/strobe/storage/bk"
)

// Cache keeps what was appended last, for all managed ledgers of a process: a first-in-first-out queue of slabs with a budget of
// bytes. Entries are copied into it, head and body joined: readers need them in one piece, the receive buffers they came in are
// free again at once, and the budget counts what is really held, whereas a retained body would hold its whole receive slab.
//
// A slab goes when the budget is used up, when every cursor has consumed what is in it (so that with readers at the tail the same few
// slabs are filled again and again while they are in the processor's cache), and when nobody used it for a while, so that an idle
// process gives the memory back. The one timer for that runs only while something is cached.
type Cache struct {
	mu      sync.Mutex
	budget  int64
	bytes   int64        // of all slabs and of the index
	slabs   []*cacheSlab // oldest first; the last is being filled
	ledgers map[int64]*cachedLedger
	free    *cacheSlab  // an emptied one, for its slices
	age     int64       // counts the timer's ticks
	timer   *time.Timer // nil while nothing is cached
	stats   CacheStats
	closed  bool
}

// CacheStats are the figures of a Cache since the start.
type CacheStats struct {
	Bytes  int64 // held now, the index included
	Hits   int64 // reads that found their first entry
	Misses int64 // reads that did not
}

const (
	slabFirst = 64 << 10  // the slab that is begun when nothing is cached
	slabMost  = 256 << 10 // an entry that is larger gets one of its own
	// cacheTick and cacheTicks say when a slab that nobody used goes: after two to three ticks.
	cacheTick  = 5 * time.Second
	cacheTicks = 2
	// runBytes and entryBytes are what the index holds for a run and for an entry.
	runBytes   = 32
	entryBytes = 4
)

// cacheSlab is one slab, where in it the entries end, and whose they are.
type cacheSlab struct {
	slab    *bk.Slab
	ends    []uint32        // entry i lies between ends[i-1] and ends[i]
	runs    []*cachedLedger // the ledger of each run of entries, in order
	touched int64           // the tick of the last use
}

// cachedLedger is the cached entries of one ledger: consecutive ones, in runs in the order of the slabs.
type cachedLedger struct {
	owner *Ledger
	id    int64
	runs  []cachedRun
}

// cachedRun is n consecutive entries that lie next to each other in a slab, from item on.
type cachedRun struct {
	slab    *cacheSlab
	first   int64
	item, n int32
}

func newCache(budget int64) *Cache {
	return &Cache{budget: budget, ledgers: map[int64]*cachedLedger{}}
}

// put takes copies of confirmed entries of one ledger, in order.
func (c *Cache) put(owner *Ledger, ledger int64, adds []*bk.Add) {
	if c.budget <= 0 || len(adds) == 0 {
		return
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	l := c.ledgers[ledger]
	if l == nil {
		l = &cachedLedger{owner: owner, id: ledger}
		c.ledgers[ledger] = l
	}
	had := len(c.slabs)
	for _, a := range adds {
		c.putLocked(l, a)
	}
	more := len(c.slabs) > had
	c.mu.Unlock()
	if more {
		c.dropConsumed()
	}
}

func (c *Cache) putLocked(l *cachedLedger, a *bk.Add) {
	s := c.roomLocked(a.Len())
	used := 0
	if n := len(s.ends); n > 0 {
		used = int(s.ends[n-1])
	}
	room := s.slab.Bytes()[used:]
	copy(room, a.Head)
	copy(room[len(a.Head):], a.Body.B)
	item := len(s.ends)
	s.ends = append(s.ends, uint32(used+a.Len()))
	s.touched = c.age
	c.bytes += entryBytes
	if n := len(l.runs); n > 0 {
		r := &l.runs[n-1]
		switch {
		case a.Entry != r.first+int64(r.n):
			l.forget() // a gap: what lies before it is not consecutive any more
		case r.slab == s && int(r.item+r.n) == item:
			r.n++
			return
		}
	}
	l.runs = append(l.runs, cachedRun{s, a.Entry, int32(item), 1})
	s.runs = append(s.runs, l)
	c.bytes += runBytes
}

// roomLocked is the slab to put n bytes into. Old slabs go when the budget is used up, but never the one returned.
func (c *Cache) roomLocked(n int) *cacheSlab {
	if k := len(c.slabs); k > 0 {
		s := c.slabs[k-1]
		if e := len(s.ends); e == 0 || len(s.slab.Bytes())-int(s.ends[e-1]) >= n {
			return s
		}
	}
	size := slabFirst
	if c.bytes >= slabMost {
		size = slabMost
	}
	s := c.free
	c.free = nil
	if s == nil {
		s = &cacheSlab{}
	}
	s.slab, s.touched = bk.NewSlab(max(size, n)), c.age
	c.slabs = append(c.slabs, s)
	c.bytes += int64(len(s.slab.Bytes()))
	for c.bytes > c.budget && len(c.slabs) > 1 {
		c.evictLocked()
	}
	if c.timer == nil {
		c.timer = time.AfterFunc(cacheTick, c.tick)
	}
	return s
}

// evictLocked drops the oldest slab. Readers that hold entries of it keep its memory.
func (c *Cache) evictLocked() {
	s := c.slabs[0]
	c.slabs[0] = nil
	c.slabs = c.slabs[1:]
	c.bytes -= int64(len(s.slab.Bytes()) + runBytes*len(s.runs) + entryBytes*len(s.ends))
	for _, l := range s.runs {
		n := 0
		for n < len(l.runs) && l.runs[n].slab == s {
			n++
		}
		if n > 0 {
			l.runs = append(l.runs[:0], l.runs[n:]...)
		}
		if len(l.runs) == 0 && c.ledgers[l.id] == l {
			delete(c.ledgers, l.id)
		}
	}
	s.slab.Release()
	clear(s.runs)
	s.slab, s.ends, s.runs = nil, s.ends[:0], s.runs[:0]
	c.free = s
}

func (l *cachedLedger) forget() {
	clear(l.runs)
	l.runs = l.runs[:0]
}

// get appends the cached entries first..last of a ledger to dst as far as they lie here without a gap from first on, at most max of
// them and budget bytes (the first whatever its size). The caller releases the payloads.
func (c *Cache) get(dst []Entry, ledger, first, last int64, max, budget int) []Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.ledgers[ledger]
	if l == nil || len(l.runs) == 0 || first < l.runs[0].first {
		c.stats.Misses++
		return dst
	}
	had := len(dst)
	i := sort.Search(len(l.runs), func(i int) bool { return l.runs[i].first > first }) - 1
	for ; i < len(l.runs) && first <= last; i++ {
		r := &l.runs[i]
		r.slab.touched = c.age
		for ; first < r.first+int64(r.n) && first <= last && len(dst)-had < max; first++ {
			item := int(r.item) + int(first-r.first)
			from, to := 0, int(r.slab.ends[item])
			if item > 0 {
				from = int(r.slab.ends[item-1])
			}
			if budget -= to - from; budget < 0 && len(dst) > had {
				return dst
			}
			dst = append(dst, Entry{bk.Position{Ledger: ledger, Entry: first}, r.slab.slab.Buf(from, to)})
		}
	}
	if len(dst) > had {
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
		l.forget()
		delete(c.ledgers, ledger)
	}
	c.mu.Unlock()
}

// Stats are the cache's figures.
func (c *Cache) Stats() CacheStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Bytes = c.bytes
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

package segment

import (
	"sync"

	"github.com/strobemq/strobe/storage/bk"
)

// index knows where the durable entries of one unsealed segment lie, and what its records say of ledgers. An entry costs
// three to six bytes, a ledger about a hundred and fifty.
//
// Only the completing goroutine adds; readers share the lock.
type index struct {
	mu      sync.RWMutex
	ledgers map[int64]*slot
	pages   [][]byte // memory of the runs
	used    int      // of the last page
}

const indexPage = 64 << 10

// slot is one ledger in one segment.
type slot struct {
	list    []memRun // by ascending first id
	tail    int      // the run that grows
	overlap bool     // an entry came that was not behind all others
	last    int64    // highest entry, -1: none
	first   int64    // lowest
	count   int64    // entries
	bytes   int64    // of their records
	control *control // nil: the segment says nothing of the ledger but its entries
}

// control is what records of one segment say of a ledger.
type control struct {
	key     []byte
	lac     []byte
	fenced  bool
	deleted bool
	damaged bool // a control record of the ledger could not be read
}

type memRun struct {
	first, last int64
	base, end   uint32
	count       uint32
	at          uint32 // page * indexPage + offset
	used, size  uint16
}

func newIndex() *index { return &index{ledgers: map[int64]*slot{}} }

// slotLocked returns the ledger's slot and makes it at first sight.
func (x *index) slotLocked(ledger int64) *slot {
	s := x.ledgers[ledger]
	if s == nil {
		s = &slot{last: -1, tail: -1}
		x.ledgers[ledger] = s
	}
	return s
}

func (s *slot) controls() *control {
	if s.control == nil {
		s.control = &control{}
	}
	return s.control
}

// addLocked notes one entry. Offsets ascend from call to call.
func (x *index) addLocked(s *slot, entry, off int64, length int) {
	s.count++
	s.bytes += recordHeaderSize + int64(length)
	if s.count == 1 || entry < s.first {
		s.first = entry
	}
	if entry <= s.last {
		s.overlap = true
	} else {
		s.last = entry
	}
	var item [maxRunItem]byte
	if s.tail >= 0 {
		r := &s.list[s.tail]
		if entry > r.last {
			b := appendRunItem(item[:0], length, entry-r.last-1, off-int64(r.end))
			if len(b) <= int(r.size-r.used) {
				copy(x.run(r)[r.used:r.size], b)
				r.used += uint16(len(b))
				r.last, r.end = entry, uint32(off)+recordHeaderSize+uint32(length)
				r.count++
				return
			}
		}
	}
	b := appendRunItem(item[:0], length, 0, 0)
	r := memRun{first: entry, last: entry, base: uint32(off), end: uint32(off) + recordHeaderSize + uint32(length), count: 1}
	r.size = uint16(min(16<<min(len(s.list), 4), 240))
	r.at = x.allocate(int(r.size))
	r.used = uint16(copy(x.run(&r)[:r.size], b))
	i := len(s.list)
	for i > 0 && s.list[i-1].first > entry {
		i--
	}
	s.list = append(s.list, memRun{})
	copy(s.list[i+1:], s.list[i:])
	s.list[i] = r
	s.tail = i
}

func (x *index) allocate(n int) uint32 {
	if len(x.pages) == 0 || x.used+n > len(x.pages[len(x.pages)-1]) {
		// The first page is small: an idle bookie keeps one.
		size := indexPage
		if len(x.pages) == 0 {
			size = 4 << 10
		}
		x.pages = append(x.pages, make([]byte, size))
		x.used = 0
	}
	at := uint32(len(x.pages)-1)*indexPage + uint32(x.used)
	x.used += n
	return at
}

// run is the memory from the run's begin to the end of its page.
func (x *index) run(r *memRun) []byte { return x.pages[r.at/indexPage][r.at%indexPage:] }

// memRuns is a slot as a runList; the index's lock is held while it is used.
type memRuns struct {
	x *index
	s *slot
}

func (m memRuns) runs() int                 { return len(m.s.list) }
func (m memRuns) bounds(i int) (f, l int64) { return m.s.list[i].first, m.s.list[i].last }
func (m memRuns) overlap() bool             { return m.s.overlap }
func (m memRuns) items(i int, _ int64) (runItems, error) {
	r := &m.s.list[i]
	return runItems{data: m.x.run(r)[:r.used], entry: r.first - 1, end: int64(r.base)}, nil
}

// collect is collect over one ledger of this segment; deleted says that the ledger was deleted here, and what is older is void.
func (x *index) collect(ledger int64, dst []place, first, last int64, limit int) (places []place, left int, deleted bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	s := x.ledgers[ledger]
	if s == nil {
		return dst, limit, false
	}
	dst, limit, _ = collect(memRuns{x, s}, dst, first, last, limit)
	return dst, limit, s.deleted()
}

// deleted reports whether the segment says that the ledger is deleted.
func (x *index) deleted(ledger int64) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	s := x.ledgers[ledger]
	return s != nil && s.deleted()
}

func (s *slot) deleted() bool { return s.control != nil && s.control.deleted }

// applyLocked notes a control record; body is copied.
func (s *slot) applyLocked(kind bk.RecordKind, body []byte) {
	c := s.controls()
	switch kind {
	case bk.RecordMasterKey:
		c.key = append([]byte(nil), body...)
	case bk.RecordFence:
		c.fenced = true
	case bk.RecordExplicitLAC:
		c.lac = append(c.lac[:0:0], body...)
	case bk.RecordDelete:
		*c = control{deleted: true}
		s.list, s.tail, s.overlap = nil, -1, false
		s.last, s.first, s.count = -1, 0, 0
	}
}

// memory is about how many bytes the index takes.
func (x *index) memory() int64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	n := int64(len(x.pages)) * indexPage
	return n + int64(len(x.ledgers))*150
}

package segment

import (
	"io"
	"sort"
	"sync/atomic"
)

// A sealed segment is read through its footer and pread alone; what sorts survivors into other files later only has to leave
// the same two things behind.

// sealedRuns is the runs of one ledger in a sealed segment.
type sealedRuns struct {
	seg   *segment
	table []pieceRun
	dup   bool
	at    int64  // of the items in the file
	data  []byte // all items; nil: they are read run by run

	hot atomic.Pointer[hotRun] // the run that was read last: the next read goes on in it
}

// hotRun is the items of one run, with a place to begin at every few entries.
type hotRun struct {
	run    int
	data   []byte
	places []runItems
}

// hotStep is how many entries lie between two places of a hotRun.
const hotStep = 32

// readWhole is how large a footer piece is read in one go.
const readWhole = 16 << 10

func (s *segment) readSeal() (seal, error) {
	b := make([]byte, sealSize)
	if n, err := s.file.ReadAt(b, sealAt); n < len(b) {
		return seal{}, err
	}
	return decodeSeal(b, s.seed)
}

// readRuns reads the piece of a ledger.
func (s *segment) readRuns(r row) (*sealedRuns, error) {
	n := r.head
	if r.total <= readWhole {
		n = r.total
	}
	b := make([]byte, n)
	if err := s.readFull(b, r.at); err != nil {
		return nil, err
	}
	p, err := decodePiece(b, s.seed)
	if err != nil || p.head != r.head || p.total != r.total {
		return nil, &damageError{damage{s.generation, r.at, r.at + int64(r.head)}}
	}
	runs := &sealedRuns{seg: s, table: p.table, dup: p.overlap, at: r.at + int64(r.head)}
	if n == r.total {
		runs.data = b[r.head:]
	}
	return runs, nil
}

// readFull reads exactly len(b) bytes.
func (s *segment) readFull(b []byte, at int64) error {
	n, err := s.file.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (r *sealedRuns) runs() int                 { return len(r.table) }
func (r *sealedRuns) bounds(i int) (f, l int64) { return r.table[i].first, r.table[i].last }
func (r *sealedRuns) overlap() bool             { return r.dup }
func (r *sealedRuns) memory() int               { return 100 + len(r.table)*40 + len(r.data) }

func (r *sealedRuns) items(i int, e int64) (runItems, error) {
	h := r.hot.Load()
	if h == nil || h.run != i {
		var err error
		if h, err = r.load(i); err != nil {
			return runItems{}, err
		}
		r.hot.Store(h)
	}
	n := sort.Search(len(h.places), func(n int) bool { return h.places[n].entry >= e })
	return h.places[max(0, n-1)], nil
}

// load reads and verifies a run.
func (r *sealedRuns) load(i int) (*hotRun, error) {
	t := r.table[i]
	h := &hotRun{run: i}
	if r.data != nil {
		h.data = r.data[t.off:][:t.length]
	} else {
		h.data = make([]byte, t.length)
		if err := r.seg.readFull(h.data, r.at+int64(t.off)); err != nil {
			return nil, err
		}
	}
	if r.seg.seed.sum(h.data) != t.sum {
		at := r.at + int64(t.off)
		return nil, &damageError{damage{r.seg.generation, at, at + int64(t.length)}}
	}
	it := runItems{data: h.data, entry: t.first - 1, end: int64(t.base)}
	h.places = make([]runItems, 0, t.count/hotStep+1)
	for n := 0; len(it.data) > 0; n++ {
		if n%hotStep == 0 {
			h.places = append(h.places, it)
		}
		if _, ok := it.next(); !ok {
			break
		}
	}
	if len(h.places) == 0 {
		h.places = append(h.places, it)
	}
	return h, nil
}

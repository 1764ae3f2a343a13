package segment

import (
	"errors"
	"fmt"
	"sync"

	"github.com/strobemq/strobe/storage/bk"
)

const (
	// maxSpan is how much one pread takes; slabs of that size are recycled.
	maxSpan = 1 << 20
	// maxSkip is how many bytes of others are read along to save a pread.
	maxSkip = 4 << 10
)

// reading is one Read on its way: which entries lie where.
type reading struct {
	log      *Log
	ledger   int64
	open     []*active  // newest last, with references
	sealed   []*segment // with references
	rows     []row
	hasRows  bool
	parts    []part
	places   []place
	maxBytes int
	attempt  int
}

// part is places[from:to], which lie in one segment.
type part struct {
	seg      *segment
	from, to int
}

var readings = sync.Pool{New: func() any { return new(reading) }}

// Read returns stored entries; see bookie.Store.
func (l *Log) Read(ledger, first, last int64, maxBytes int) ([]bk.Entry, error) {
	if ledger < 0 || first < 0 || last < first {
		return nil, bk.ErrBadRequest
	}
	if l.isClosed() {
		return nil, bk.ErrClosed
	}
	r := readings.Get().(*reading)
	defer func() {
		r.release()
		readings.Put(r)
	}()
	for {
		r.log, r.ledger, r.maxBytes = l, ledger, maxBytes
		err := r.locate(first, last)
		if err == nil {
			break
		}
		if err != errFreed {
			return nil, l.readError(ledger, first, err)
		}
		attempt := r.attempt + 1
		r.release()
		r.attempt = attempt
	}
	if len(r.places) == 0 {
		return nil, l.absent(ledger)
	}
	out := make([]bk.Entry, 0, len(r.places))
	for _, p := range r.parts {
		var err error
		if out, err = p.seg.read(out, ledger, r.places[p.from:p.to]); err != nil {
			if e := l.readError(ledger, first+int64(len(out)), err); len(out) == 0 {
				return nil, e
			}
			break
		}
	}
	return out, nil
}

// readError notes damage and is what the caller of a read gets.
func (l *Log) readError(ledger, entry int64, err error) error {
	if l.isClosed() {
		return bk.ErrClosed
	}
	var bad *damageError
	if errors.As(err, &bad) {
		l.damaged(bad.damage)
	}
	return fmt.Errorf("ledger %d entry %d: %w: %w", ledger, entry, bk.ErrIO, err)
}

func (r *reading) release() {
	for _, a := range r.open {
		r.log.releaseSegment(a.segment)
	}
	for _, s := range r.sealed {
		r.log.releaseSegment(s)
	}
	clear(r.open)
	clear(r.sealed)
	clear(r.parts)
	*r = reading{open: r.open[:0], sealed: r.sealed[:0], parts: r.parts[:0], places: r.places[:0]}
}

// locate finds the places of first, first+1, … as far as they are here without a gap and fit maxBytes. An error after the first
// entry ends the list there.
//
// Entries move while it looks: sealing takes them from the open segments to the table, copying survivors the other way. What is
// not found counts as absent only if the table has not changed meanwhile.
func (r *reading) locate(first, last int64) error {
	version := r.log.table.version.Load()
	r.open = r.log.reg.openSegments(r.open)
	for e := first; e <= last && (r.maxBytes > 0 || e == first); {
		n, err := r.more(e, last)
		if err != nil && e == first {
			return err
		}
		if n == 0 && e == first && r.log.table.version.Load() != version {
			return errFreed
		}
		if n == 0 || err != nil {
			return nil
		}
		e += int64(n)
	}
	return nil
}

// more appends the places from entry e on that lie in the newest segment that has e.
func (r *reading) more(e, last int64) (int, error) {
	at := len(r.places)
	for i := len(r.open) - 1; i >= 0; i-- {
		a := r.open[i]
		places, left, deleted := a.index.collect(r.ledger, r.places, e, last, r.maxBytes)
		if len(places) > at {
			return r.took(a.segment, places, left), nil
		}
		if deleted {
			return 0, nil
		}
	}
	if !r.hasRows {
		s, err := r.log.sealed(r.ledger)
		if err != nil {
			return 0, err
		}
		r.rows, r.hasRows = s.rows, true
	}
	for i := len(r.rows) - 1; i >= 0; i-- {
		row := r.rows[i]
		if row.count == 0 || e < row.first || e > row.last {
			continue
		}
		s, err := r.segment(row.generation)
		if s == nil {
			if err != nil {
				return 0, err
			}
			continue
		}
		runs, err := r.log.runs(s, r.ledger, row)
		if err != nil {
			return 0, err
		}
		places, left, err := collect(runs, r.places, e, last, r.maxBytes)
		if len(places) > at {
			return r.took(s, places, left), nil
		}
		if err != nil {
			return 0, err
		}
	}
	return 0, nil
}

func (r *reading) took(s *segment, places []place, left int) int {
	n := len(places) - len(r.places)
	r.parts = append(r.parts, part{s, len(r.places), len(places)})
	r.places, r.maxBytes = places, left
	return n
}

// errFreed is a segment that was freed while its rows were looked at: its survivors lie elsewhere by now.
var errFreed = errors.New("segment was freed")

// segment returns a sealed segment that is kept until release, and an error when its file is lost. It is nil for one that was
// freed long ago: a crash may have left a row of it.
func (r *reading) segment(generation uint64) (*segment, error) {
	for _, s := range r.sealed {
		if s.generation == generation {
			return s, nil
		}
	}
	if s := r.log.reg.sealedSegment(generation); s != nil {
		r.sealed = append(r.sealed, s)
		return s, nil
	}
	if r.log.missing[generation] {
		return nil, fmt.Errorf("segment %016x is missing", generation)
	}
	if r.attempt < 2 {
		return nil, errFreed
	}
	return nil, nil
}

// read appends the entries at places, which ascend, to out. Neighbours are read together.
func (s *segment) read(out []bk.Entry, ledger int64, places []place) ([]bk.Entry, error) {
	for len(places) > 0 {
		n := 1
		for n < len(places) && places[n].off >= places[n-1].end() && places[n].off-places[n-1].end() <= maxSkip && places[n].end()-places[0].off <= maxSpan {
			n++
		}
		var err error
		if out, err = s.readSpan(out, ledger, places[:n]); err != nil {
			return out, err
		}
		places = places[n:]
	}
	return out, nil
}

// readSpan reads the entries at places with one pread into one slab.
func (s *segment) readSpan(out []bk.Entry, ledger int64, places []place) ([]bk.Entry, error) {
	from := places[0].off
	size := int(places[len(places)-1].end() - from)
	slab := bk.NewSlab(size)
	defer slab.Release()
	b := slab.Bytes()[:size]
	if err := s.readFull(b, from); err != nil {
		return out, err
	}
	for _, p := range places {
		at := int(p.off - from)
		body := b[at+recordHeaderSize:][:p.length]
		if sum, ok := isEntry(b[at:], ledger, p.entry, p.length); !ok || s.seed.sum(body) != sum {
			return out, &damageError{damage{s.generation, p.off, p.end()}}
		}
		out = append(out, bk.Entry{Ledger: ledger, Entry: p.entry, Payload: slab.Buf(at+recordHeaderSize, at+recordHeaderSize+p.length)})
	}
	return out, nil
}

package segment

import (
	"fmt"
	"io"
	"sync"

	"github.com/strobemq/strobe/storage/bk"
)

const (
	// maxSpan is how much one pread takes; slabs of that size are recycled.
	maxSpan = 1 << 20
	// maxSkip is how many bytes of others are read along to save a pread.
	maxSkip = 4 << 10
)

// part is entries of one ledger that lie in one segment.
type part struct {
	seg    *segment
	places []place
}

type reading struct {
	parts  []part
	places []place
	n      int
}

var readings = sync.Pool{New: func() any { return new(reading) }}

// Read returns stored entries; see bookie.Store.
func (l *Log) Read(ledger, first, last int64, maxBytes int) ([]bk.Entry, error) {
	if ledger < 0 || first < 0 || last < first {
		return nil, bk.ErrBadRequest
	}
	r := readings.Get().(*reading)
	defer func() {
		clear(r.parts)
		r.parts, r.places, r.n = r.parts[:0], r.places[:0], 0
		readings.Put(r)
	}()
	release := l.locate(r, ledger, first, last, maxBytes)
	defer release()
	if r.n == 0 {
		return nil, l.absent(ledger)
	}
	out := make([]bk.Entry, 0, r.n)
	for _, p := range r.parts {
		var err error
		if out, err = p.seg.read(out, ledger, p.places); err != nil {
			if len(out) > 0 {
				break
			}
			return nil, fmt.Errorf("ledger %d entry %d: %w", ledger, first, bk.ErrIO)
		}
	}
	return out, nil
}

// locate finds the segments and places of the entries.
func (l *Log) locate(r *reading, ledger, first, last int64, maxBytes int) (release func()) {
	l.mu.RLock()
	open := l.open
	l.mu.RUnlock()
	for e := first; e <= last && (maxBytes > 0 || r.n == 0); {
		at := len(r.places)
		limit := maxBytes
		if r.n > 0 && limit <= 0 {
			break
		}
		for i := len(open) - 1; i >= 0; i-- {
			var left int
			r.places, left = open[i].index.collect(ledger, r.places, e, last, limit)
			if n := len(r.places) - at; n > 0 {
				r.parts = append(r.parts, part{open[i], r.places[at:]})
				e += int64(n)
				r.n += n
				maxBytes = left
				break
			}
		}
		if len(r.places) == at {
			break
		}
	}
	return func() {}
}

// absent is the error for an entry that is not here.
func (l *Log) absent(ledger int64) error {
	if _, err := l.Ledger(ledger); err != nil {
		return err
	}
	return bk.ErrNoEntry
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
	if n, err := s.file.ReadAt(b, from); n < size {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return out, err
	}
	for _, p := range places {
		at := int(p.off - from)
		h, ok := decodeRecordHeader(b[at:], s.seed)
		body := b[at+recordHeaderSize:][:p.length]
		if !ok || h.kind != bk.RecordEntry || h.ledger != ledger || h.entry != p.entry || h.length != p.length || s.seed.sum(body) != h.bodySum {
			return out, &damageError{damage{s.generation, p.off, p.end()}}
		}
		out = append(out, bk.Entry{Ledger: ledger, Entry: p.entry, Payload: slab.Buf(at+recordHeaderSize, at+recordHeaderSize+p.length)})
	}
	return out, nil
}

// damageError is a record that was durable and does not verify any more.
type damageError struct{ damage }

func (e *damageError) Error() string {
	return fmt.Sprintf("segment %016x: bytes %d to %d do not verify", e.generation, e.from, e.to)
}

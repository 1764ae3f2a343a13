package segment

import (
	"encoding/binary"
	"sort"
)

// A run lists entries of one ledger by ascending id and ascending offset: an item each, of a few bytes.
//
//	uvarint  length of the body << 1 | 1 if entry ids are skipped before this one
//	uvarint  ids skipped (only if the bit says so)
//	uvarint  bytes between the end of the record before and this record's header
//
// The first item follows an imagined record that is the run's first id minus one and ends at the run's base.
const maxRunItem = 5 + 10 + 5

// place is where one entry lies in a segment: its record header's offset and the length of its body.
type place struct {
	entry  int64
	off    int64
	length int
}

func (p place) end() int64 { return p.off + recordHeaderSize + int64(p.length) }

func appendRunItem(dst []byte, length int, skip int64, gap int64) []byte {
	if skip == 0 {
		dst = binary.AppendUvarint(dst, uint64(length)<<1)
	} else {
		dst = binary.AppendUvarint(dst, uint64(length)<<1|1)
		dst = binary.AppendUvarint(dst, uint64(skip))
	}
	return binary.AppendUvarint(dst, uint64(gap))
}

// runItems decodes the items of a run.
type runItems struct {
	data  []byte
	entry int64 // of the item before
	end   int64 // of the record before
}

// next reports false at the end and for bytes that are no item.
func (r *runItems) next() (place, bool) {
	b := r.data
	v, n := uvarint(b)
	if n <= 0 || v>>1 > maxSegment {
		return place{}, false
	}
	b = b[n:]
	var skip uint64
	if v&1 != 0 {
		if skip, n = uvarint(b); n <= 0 {
			return place{}, false
		}
		b = b[n:]
	}
	gap, n := uvarint(b)
	if n <= 0 || gap > maxSegment {
		return place{}, false
	}
	p := place{entry: r.entry + 1 + int64(skip), off: r.end + int64(gap), length: int(v >> 1)}
	if p.entry <= r.entry || p.end() > maxSegment {
		return place{}, false
	}
	r.data, r.entry, r.end = b[n:], p.entry, p.end()
	return p, true
}

// uvarint is binary.Uvarint with the lengths that occur most on a short way.
func uvarint(b []byte) (uint64, int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	if len(b) > 1 && b[1] < 0x80 {
		return uint64(b[0]&0x7f) | uint64(b[1])<<7, 2
	}
	return binary.Uvarint(b)
}

// runList is the runs of one ledger in one segment, by ascending first id, wherever they are kept. Runs overlap only when an
// entry was stored twice.
type runList interface {
	runs() int
	bounds(i int) (first, last int64)
	items(i int, e int64) (runItems, error) // of run i, from some entry on that is not behind e
	overlap() bool
}

// collect appends to dst the places of first, first+1, … up to last, as far as the runs have them without a gap, until
// their bodies exceed limit bytes (the first is taken whatever its size when dst is empty). It returns how many bytes are left.
func collect(l runList, dst []place, first, last int64, limit int) ([]place, int, error) {
	for e := first; e <= last; {
		i, err := findRun(l, e)
		if err != nil || i < 0 {
			return dst, limit, err
		}
		it, err := l.items(i, e)
		if err != nil {
			return dst, limit, err
		}
		start := e
		for e <= last {
			p, ok := it.next()
			if !ok {
				break
			}
			if p.entry < e {
				continue
			}
			if p.entry > e {
				break
			}
			if limit -= p.length; limit < 0 && len(dst) > 0 {
				return dst, limit, nil
			}
			dst = append(dst, p)
			e++
		}
		if e == start {
			return dst, limit, nil
		}
	}
	return dst, limit, nil
}

// findRun returns the run that has entry e, -1 if none has. Of several it prefers the one that begins last: it was
// written last.
func findRun(l runList, e int64) (int, error) {
	n := l.runs()
	i := sort.Search(n, func(i int) bool {
		first, _ := l.bounds(i)
		return first > e
	}) - 1
	for ; i >= 0; i-- {
		_, last := l.bounds(i)
		if e <= last {
			if !l.overlap() {
				return i, nil
			}
			has, err := runHas(l, i, e)
			if has || err != nil {
				return i, err
			}
		}
		if !l.overlap() {
			return -1, nil
		}
	}
	return -1, nil
}

func runHas(l runList, i int, e int64) (bool, error) {
	it, err := l.items(i, e)
	if err != nil {
		return false, err
	}
	for {
		p, ok := it.next()
		if !ok || p.entry > e {
			return false, nil
		}
		if p.entry == e {
			return true, nil
		}
	}
}

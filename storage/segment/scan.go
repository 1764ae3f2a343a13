package segment

import (
	"bytes"
	"io"

	"github.com/strobemq/strobe/storage/vfs"
)

// window reads a file forward through one buffer.
type window struct {
	file vfs.File
	size int64
	buf  []byte
	from int64
}

const windowBytes = 256 << 10

// at returns n bytes from offset off, fewer at the end of the file. They are valid until the next call.
func (w *window) at(off int64, n int) ([]byte, error) {
	if off >= w.size {
		return nil, nil
	}
	n = int(min(int64(n), w.size-off))
	if off >= w.from && off+int64(n) <= w.from+int64(len(w.buf)) {
		return w.buf[off-w.from:][:n], nil
	}
	want := int(min(int64(max(n, windowBytes)), w.size-off))
	if cap(w.buf) < want {
		w.buf = make([]byte, want)
	}
	got, err := w.file.ReadAt(w.buf[:want], off)
	w.from, w.buf = off, w.buf[:got]
	if err != nil && err != io.EOF {
		return nil, err
	}
	return w.buf[:min(n, got)], nil
}

// link identifies the group that the next one must follow.
type link struct {
	known  bool
	number uint64
	sum    uint32
}

func (k link) admits(g *groupHeader) bool {
	return !k.known || g.number == k.number+1 && g.previous == k.sum
}

// scanned is what a scan of an unsealed segment found.
type scanned struct {
	end    int64
	last   link
	groups int
	synced int64 // how far the file was durable when the last group was written
	damage []damage
	lost   bool // records vanished and nobody knows whose
}

// scanner rebuilds the index of an unsealed segment: from its index blocks, then from the records behind the last of them.
type scanner struct {
	log *Log
	seg *active
	win window
	out scanned
	err error // of the table
}

// scan enters what the first size bytes of the segment hold into its index. prev is the last group of the segment before.
func (l *Log) scan(seg *active, prev link, size int64) (scanned, error) {
	sc := &scanner{log: l, seg: seg, win: window{file: seg.file, size: size}, out: scanned{end: groupsAt, last: prev}}
	if err := sc.indexBlocks(); err != nil {
		return scanned{}, err
	}
	if err := sc.groups(); err != nil {
		return scanned{}, err
	}
	seg.end.Store(sc.out.end)
	return sc.out, sc.err
}

// indexBlocks reads the index blocks in order. Each proves that all before it was durable when it was written.
func (sc *scanner) indexBlocks() error {
	step := sc.log.o.indexBytes
	for from := step; from < sc.win.size; from = (sc.out.end/step + 1) * step {
		g, payload, err := sc.findIndexBlock(max(from, sc.out.end), from+step)
		if err != nil || payload == nil {
			return err
		}
		covered, err := decodeIndexBlock(payload, g.at, g.records, func(recordHeader, int64, []byte) {})
		if err != nil || covered != sc.out.end {
			return nil
		}
		if _, err = decodeIndexBlock(payload, g.at, g.records, sc.apply); err != nil {
			return err
		}
		sc.accept(&g)
	}
	return nil
}

// findIndexBlock returns the first index block in the range whose payload verifies; nil when there is none.
func (sc *scanner) findIndexBlock(from, to int64) (groupHeader, []byte, error) {
	for {
		g, err := sc.findGroup(from, to)
		if err != nil || g == nil {
			return groupHeader{}, nil, err
		}
		if g.kind == groupIndex {
			payload, err := sc.win.at(g.at+groupHeaderSize, g.length)
			if err != nil {
				return groupHeader{}, nil, err
			}
			if len(payload) == g.length && sc.seg.seed.sum(payload) == g.payloadSum {
				return *g, payload, nil
			}
		}
		from = g.at + 1
	}
}

// findGroup returns the first valid group header that begins in the range; nil when there is none.
func (sc *scanner) findGroup(from, to int64) (*groupHeader, error) {
	for from < to {
		b, err := sc.win.at(from, windowBytes)
		if err != nil || len(b) < groupHeaderSize {
			return nil, err
		}
		for i := 0; ; i++ {
			j := bytes.Index(b[i:], []byte(groupMagic))
			if j < 0 || from+int64(i+j) >= to {
				break
			}
			i += j
			if len(b)-i < groupHeaderSize {
				break
			}
			if g, ok := decodeGroupHeader(b[i:], from+int64(i), sc.seg.seed); ok {
				return &g, nil
			}
		}
		from += int64(len(b)) - groupHeaderSize + 1
	}
	return nil, nil
}

// groups verifies every group from the end found so far, up to the end of the log.
func (sc *scanner) groups() error {
	for {
		whole, g, err := sc.group()
		if err != nil {
			return err
		}
		if whole {
			continue
		}
		// Either the log ends here, or bytes that were durable are damaged: only a later group that says so tells.
		next, err := sc.evidence(sc.out.end)
		if err != nil {
			return err
		}
		if next == nil {
			return nil
		}
		if err := sc.skipDamage(g, next); err != nil {
			return err
		}
	}
}

// group takes the group at the end found so far, if it is whole and the next in line. Otherwise it returns its header, if at
// least that is good.
func (sc *scanner) group() (bool, *groupHeader, error) {
	at := sc.out.end
	b, err := sc.win.at(at, groupHeaderSize)
	if err != nil {
		return false, nil, err
	}
	g, ok := decodeGroupHeader(b, at, sc.seg.seed)
	if !ok || !sc.out.last.admits(&g) {
		return false, nil, nil
	}
	payload, err := sc.win.at(at+groupHeaderSize, g.length)
	if err != nil {
		return false, nil, err
	}
	if len(payload) < g.length {
		return false, &g, nil
	}
	if g.kind == groupIndex {
		if sc.seg.seed.sum(payload) != g.payloadSum {
			return false, &g, nil
		}
	} else if !sc.verify(payload, &g) {
		return false, &g, nil
	} else {
		sc.records(payload, &g)
	}
	sc.accept(&g)
	return true, &g, nil
}

func (sc *scanner) accept(g *groupHeader) {
	sc.out.end, sc.out.last, sc.out.synced = g.end(), link{known: true, number: g.number, sum: g.sum}, g.synced
	sc.out.groups++
}

// verify checks every record of a group.
func (sc *scanner) verify(b []byte, g *groupHeader) bool {
	n := 0
	for len(b) > 0 {
		h, ok := decodeRecordHeader(b, sc.seg.seed)
		if !ok || len(b) < recordHeaderSize+h.length || sc.seg.seed.sum(b[recordHeaderSize:][:h.length]) != h.bodySum {
			return false
		}
		b = b[recordHeaderSize+h.length:]
		n++
	}
	return n == g.records
}

// records applies the records of a group as far as their headers can be read.
func (sc *scanner) records(b []byte, g *groupHeader) {
	off := g.at + groupHeaderSize
	for len(b) > 0 {
		h, ok := decodeRecordHeader(b, sc.seg.seed)
		if !ok || len(b) < recordHeaderSize+h.length {
			sc.lose(off, g.end())
			return
		}
		body := b[recordHeaderSize:][:h.length]
		end := off + recordHeaderSize + int64(h.length)
		if sc.seg.seed.sum(body) != h.bodySum {
			sc.out.damage = append(sc.out.damage, damage{sc.seg.generation, off, end})
			sc.applyDamaged(h, off)
		} else {
			sc.apply(h, off, body)
		}
		b, off = b[recordHeaderSize+h.length:], end
	}
}

func (sc *scanner) lose(from, to int64) {
	sc.out.damage = append(sc.out.damage, damage{sc.seg.generation, from, to})
	sc.out.lost = true
}

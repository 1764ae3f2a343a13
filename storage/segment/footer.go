package segment

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"sort"
)

// A footer follows the last group of a sealed segment: one piece for each ledger that the segment says anything of, by ascending
// ledger. A piece is read alone; its head (up to the end of the table) has one checksum, each run another.
//
//	 0  4  "ldg1"
//	 4  4  crc32c of the head from byte 8 on, seeded
//	 8  8  ledger
//	16  4  length of the head: these 64 bytes, the state, the table
//	20  4  length of the whole piece
//	24  4  runs
//	28  4  flags: 1 master key, 2 fenced, 4 explicit LAC, 8 deleted, 16 a control record was damaged, 32 runs overlap
//	32  8  entries
//	40  8  bytes of their records
//	48  8  lowest entry, -1 without entries
//	56  8  highest entry, -1 without entries
//	64     state: uvarint length and master key, uvarint length and explicit LAC packet
//	       table: 36 bytes for each run, by ascending first entry:
//	          first entry 8, last entry 8, base 4, entries 4, offset of the items behind the head 4, their length 4,
//	          crc32c of the items, seeded 4
//	       items of the runs (run.go)
const (
	pieceMagic      = "ldg1"
	pieceHeaderSize = 64
	pieceRunSize    = 36
	pieceRunItems   = 4 << 10 // a run's items end behind this
)

const (
	pieceKey = 1 << iota
	pieceFenced
	pieceLAC
	pieceDeleted
	pieceDamaged
	pieceOverlap
)

var errFooter = errors.New("footer does not decode")

// piece is what a footer says of one ledger.
type piece struct {
	ledger      int64
	control     control
	table       []pieceRun
	overlap     bool
	count       int64
	bytes       int64
	first, last int64
	head, total int // lengths
}

type pieceRun struct {
	first, last int64
	base        uint32
	count       uint32
	off, length uint32
	sum         uint32
}

// appendPiece encodes the slot of a ledger. The index's lock is held.
func (x *index) appendPiece(dst []byte, ledger int64, s *slot, sd seed) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, pieceHeaderSize)...)
	var flags uint32
	if c := s.control; c != nil {
		flags |= bitIf(c.key != nil, pieceKey) | bitIf(c.fenced, pieceFenced) | bitIf(c.lac != nil, pieceLAC)
		flags |= bitIf(c.deleted, pieceDeleted) | bitIf(c.damaged, pieceDamaged)
		dst = binary.AppendUvarint(dst, uint64(len(c.key)))
		dst = append(dst, c.key...)
		dst = binary.AppendUvarint(dst, uint64(len(c.lac)))
		dst = append(dst, c.lac...)
	} else {
		dst = append(dst, 0, 0)
	}
	flags |= bitIf(s.overlap, pieceOverlap)
	table, items := x.joinRuns(s, sd)
	for _, r := range table {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(r.first))
		dst = binary.LittleEndian.AppendUint64(dst, uint64(r.last))
		dst = binary.LittleEndian.AppendUint32(dst, r.base)
		dst = binary.LittleEndian.AppendUint32(dst, r.count)
		dst = binary.LittleEndian.AppendUint32(dst, r.off)
		dst = binary.LittleEndian.AppendUint32(dst, r.length)
		dst = binary.LittleEndian.AppendUint32(dst, r.sum)
	}
	b := dst[at:]
	copy(b, pieceMagic)
	binary.LittleEndian.PutUint64(b[8:], uint64(ledger))
	binary.LittleEndian.PutUint32(b[16:], uint32(len(b)))
	binary.LittleEndian.PutUint32(b[20:], uint32(len(b)+len(items)))
	binary.LittleEndian.PutUint32(b[24:], uint32(len(table)))
	binary.LittleEndian.PutUint32(b[28:], flags)
	binary.LittleEndian.PutUint64(b[32:], uint64(s.count))
	binary.LittleEndian.PutUint64(b[40:], uint64(s.bytes))
	first, last := s.first, s.last
	if s.count == 0 {
		first, last = -1, -1
	}
	binary.LittleEndian.PutUint64(b[48:], uint64(first))
	binary.LittleEndian.PutUint64(b[56:], uint64(last))
	binary.LittleEndian.PutUint32(b[4:], sd.sum(b[8:]))
	return append(dst, items...)
}

func bitIf(on bool, bit uint32) uint32 {
	if on {
		return bit
	}
	return 0
}

// joinRuns makes few long runs of a slot's many short ones: only the first item of each has to be encoded anew.
func (x *index) joinRuns(s *slot, sd seed) ([]pieceRun, []byte) {
	var table []pieceRun
	var items []byte
	var end int64
	for i := range s.list {
		m := &s.list[i]
		data := x.run(m)[:m.used]
		n := len(table) - 1
		if n < 0 || len(items)-int(table[n].off) >= pieceRunItems || m.first <= table[n].last || int64(m.base) < end {
			table = append(table, pieceRun{first: m.first, base: m.base, off: uint32(len(items))})
			n++
			items = append(items, data...)
		} else {
			it := runItems{data: data, entry: m.first - 1, end: int64(m.base)}
			p, _ := it.next()
			items = appendRunItem(items, p.length, m.first-table[n].last-1, int64(m.base)-end)
			items = append(items, it.data...)
		}
		r := &table[n]
		r.last, end = m.last, int64(m.end)
		r.count += m.count
		r.length = uint32(len(items)) - r.off
	}
	for i := range table {
		r := &table[i]
		r.sum = sd.sum(items[r.off:][:r.length])
	}
	return table, items
}

// pieceLengths reads from the first bytes of a piece how long its head and all of it are.
func pieceLengths(b []byte) (head, total int, err error) {
	if len(b) < pieceHeaderSize || string(b[:4]) != pieceMagic {
		return 0, 0, errFooter
	}
	head, total = int(binary.LittleEndian.Uint32(b[16:])), int(binary.LittleEndian.Uint32(b[20:]))
	if head < pieceHeaderSize || total < head || total > maxSegment {
		return 0, 0, errFooter
	}
	return head, total, nil
}

// decodePiece decodes the head of a piece.
func decodePiece(b []byte, sd seed) (*piece, error) {
	head, total, err := pieceLengths(b)
	if err != nil || len(b) < head || binary.LittleEndian.Uint32(b[4:]) != sd.sum(b[8:head]) {
		return nil, errFooter
	}
	flags := binary.LittleEndian.Uint32(b[28:])
	runs := int(binary.LittleEndian.Uint32(b[24:]))
	p := &piece{
		ledger: int64(binary.LittleEndian.Uint64(b[8:])), head: head, total: total,
		count: int64(binary.LittleEndian.Uint64(b[32:])), bytes: int64(binary.LittleEndian.Uint64(b[40:])),
		first: int64(binary.LittleEndian.Uint64(b[48:])), last: int64(binary.LittleEndian.Uint64(b[56:])),
		overlap: flags&pieceOverlap != 0,
		control: control{fenced: flags&pieceFenced != 0, deleted: flags&pieceDeleted != 0, damaged: flags&pieceDamaged != 0},
	}
	d := itemDecoder{b: b[pieceHeaderSize:head]}
	key := d.bytes(int(d.uvarint(maxControl)))
	lac := d.bytes(int(d.uvarint(maxControl)))
	if flags&pieceKey != 0 {
		p.control.key = append([]byte{}, key...)
	}
	if flags&pieceLAC != 0 {
		p.control.lac = append([]byte{}, lac...)
	}
	if d.bad || len(d.b) != runs*pieceRunSize {
		return nil, errFooter
	}
	p.table = make([]pieceRun, runs)
	for i := range p.table {
		t := d.b[i*pieceRunSize:]
		r := pieceRun{
			first: int64(binary.LittleEndian.Uint64(t)), last: int64(binary.LittleEndian.Uint64(t[8:])),
			base: binary.LittleEndian.Uint32(t[16:]), count: binary.LittleEndian.Uint32(t[20:]),
			off: binary.LittleEndian.Uint32(t[24:]), length: binary.LittleEndian.Uint32(t[28:]), sum: binary.LittleEndian.Uint32(t[32:]),
		}
		if int64(r.off)+int64(r.length) > int64(total-head) || r.last < r.first {
			return nil, errFooter
		}
		p.table[i] = r
	}
	return p, nil
}

// footerWriter writes a footer piece by piece with a bounded buffer.
type footerWriter struct {
	seg *segment
	buf []byte
	at  int64
	sum uint32
}

func (w *footerWriter) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	if _, err := w.seg.file.WriteAt(w.buf, w.at); err != nil {
		return err
	}
	w.sum = crc32.Update(w.sum, castagnoli, w.buf)
	w.at += int64(len(w.buf))
	w.buf = w.buf[:0]
	return nil
}

// footerPlace is where a ledger's piece lies and what the table remembers of it.
type footerPlace struct {
	ledger int64
	row    row
}

// writeFooter writes footer and seal of a segment that is not appended to any more, makes them durable, and returns where the pieces lie.
func (s *segment) writeFooter(x *index, last link) ([]footerPlace, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	ids := make([]int64, 0, len(x.ledgers))
	for id := range x.ledgers {
		ids = append(ids, id)
	}
	sort.Slice(ids, func(i, j int) bool { return ids[i] < ids[j] })
	w := footerWriter{seg: s, at: s.end.Load(), sum: uint32(s.seed)}
	places := make([]footerPlace, 0, len(ids))
	for _, id := range ids {
		t := x.ledgers[id]
		from := len(w.buf)
		at := w.at + int64(from)
		w.buf = x.appendPiece(w.buf, id, t, s.seed)
		head, total, err := pieceLengths(w.buf[from:])
		if err != nil {
			return nil, err
		}
		places = append(places, footerPlace{id, row{generation: s.generation, at: at, head: head, total: total, first: t.first, last: t.last, count: t.count, bytes: t.bytes}})
		if len(w.buf) > 256<<10 {
			if err := w.flush(); err != nil {
				return nil, err
			}
		}
	}
	if err := w.flush(); err != nil {
		return nil, err
	}
	end := s.end.Load()
	sl := seal{
		generation: s.generation, end: end, footerAt: end, footerLen: w.at - end, footerSum: w.sum,
		lastGroup: last.number, lastGroupSum: last.sum, ledgers: uint32(len(ids)),
	}
	if _, err := s.file.WriteAt(sl.encode(s.seed), sealAt); err != nil {
		return nil, err
	}
	return places, s.file.Sync()
}

// readFooter calls yield with every piece of a sealed segment's footer, after its checksum was found right.
func (s *segment) readFooter(sl seal, yield func(p *piece, r row) error) error {
	if size, err := s.file.Size(); err != nil {
		return err
	} else if sl.footerAt+sl.footerLen > size {
		return errFooter
	}
	b := make([]byte, sl.footerLen)
	if n, err := s.file.ReadAt(b, sl.footerAt); n < len(b) {
		return err
	}
	if s.seed.sum(b) != sl.footerSum {
		return errFooter
	}
	for at := sl.footerAt; len(b) > 0; {
		p, err := decodePiece(b, s.seed)
		if err != nil || p.total > len(b) {
			return errFooter
		}
		r := row{generation: s.generation, at: at, head: p.head, total: p.total, first: p.first, last: p.last, count: p.count, bytes: p.bytes}
		if err := yield(p, r); err != nil {
			return err
		}
		b, at = b[p.total:], at+int64(p.total)
	}
	return nil
}

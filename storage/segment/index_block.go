package segment

import (
	"encoding/binary"
	"errors"

	"github.com/strobemq/strobe/storage/bk"
)

// An index block is a group that repeats the headers of all records since the index block before (or the beginning), so that
// a restart reads these instead of the records. One follows each 8 MiB of a segment.
//
//	8  offset from which it covers; it covers up to its own header
//	then an item for each record, in the order of the log:
//	1  tag: bits 0-2 kind, 3 the ledger is that of the item before, 4 the entry is the one after that of the item before,
//	   5 the record does not follow the one before without a gap, 6 survivor
//	zigzag varint  ledger minus the ledger of the item before     (unless bit 3)
//	zigzag varint  entry minus the entry of the item before       (kind entry, unless bit 4)
//	uvarint        bytes between the record before and this one   (bit 5)
//	uvarint        length of the body
//	body                                                          (kinds other than entry)
const (
	tagKind      = 0x07
	tagSame      = 0x08
	tagNext      = 0x10
	tagGap       = 0x20
	tagSurvivor  = 0x40
	indexFromLen = 8
)

var errIndexBlock = errors.New("index block does not decode")

// indexBuilder collects the items of the next index block while records are written.
type indexBuilder struct {
	buf     []byte
	from    int64
	records int
	ledger  int64
	entry   int64
	end     int64
}

func (b *indexBuilder) reset(from int64) {
	b.buf = binary.LittleEndian.AppendUint64(b.buf[:0], uint64(from))
	b.from, b.end = from, from
	b.records, b.ledger, b.entry = 0, 0, -1
}

// add notes a record whose header lies at off; body is that of a control record.
func (b *indexBuilder) add(h *recordHeader, off int64, body []byte) {
	tag := byte(h.kind)
	if b.records > 0 && h.ledger == b.ledger {
		tag |= tagSame
	}
	if h.kind == bk.RecordEntry && h.entry == b.entry+1 {
		tag |= tagNext
	}
	if off != b.end {
		tag |= tagGap
	}
	if h.flags&recordSurvivor != 0 {
		tag |= tagSurvivor
	}
	b.buf = append(b.buf, tag)
	if tag&tagSame == 0 {
		b.buf = binary.AppendVarint(b.buf, h.ledger-b.ledger)
	}
	if h.kind == bk.RecordEntry && tag&tagNext == 0 {
		b.buf = binary.AppendVarint(b.buf, h.entry-b.entry)
	}
	if tag&tagGap != 0 {
		b.buf = binary.AppendUvarint(b.buf, uint64(off-b.end))
	}
	b.buf = binary.AppendUvarint(b.buf, uint64(h.length))
	if h.kind != bk.RecordEntry {
		b.buf = append(b.buf, body...)
	} else {
		b.entry = h.entry
	}
	b.ledger = h.ledger
	b.end = off + recordHeaderSize + int64(h.length)
	b.records++
}

// decodeIndexBlock calls yield for each record that the payload of an index block at offset at lists; body is nil for entries and
// aliases payload otherwise.
func decodeIndexBlock(payload []byte, at int64, records int, yield func(h recordHeader, off int64, body []byte)) (from int64, err error) {
	if len(payload) < indexFromLen {
		return 0, errIndexBlock
	}
	from = int64(binary.LittleEndian.Uint64(payload))
	d := itemDecoder{b: payload[indexFromLen:]}
	end, ledger, entry := from, int64(0), int64(-1)
	if from < groupsAt || from > at {
		return 0, errIndexBlock
	}
	n := 0
	for ; len(d.b) > 0; n++ {
		tag := d.byte()
		h := recordHeader{kind: bk.RecordKind(tag & tagKind)}
		if h.kind < bk.RecordEntry || h.kind > bk.RecordDelete || tag&0x80 != 0 {
			return 0, errIndexBlock
		}
		if tag&tagSurvivor != 0 {
			h.flags = recordSurvivor
		}
		if tag&tagSame == 0 {
			ledger += d.varint()
		}
		h.ledger = ledger
		if h.kind == bk.RecordEntry {
			if tag&tagNext != 0 {
				entry++
			} else {
				entry += d.varint()
			}
			h.entry = entry
		}
		if tag&tagGap != 0 {
			end += int64(d.uvarint(maxSegment))
		}
		h.length = int(d.uvarint(maxSegment))
		var body []byte
		if h.kind != bk.RecordEntry {
			body = d.bytes(h.length)
		}
		off := end
		end += recordHeaderSize + int64(h.length)
		if d.bad || end > at {
			return 0, errIndexBlock
		}
		yield(h, off, body)
	}
	if n != records {
		return 0, errIndexBlock
	}
	return from, nil
}

// itemDecoder reads varints and remembers the first failure.
type itemDecoder struct {
	b   []byte
	bad bool
}

func (d *itemDecoder) byte() byte {
	if len(d.b) == 0 {
		d.bad = true
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *itemDecoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *itemDecoder) uvarint(limit uint64) uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || v > limit {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *itemDecoder) bytes(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.fail()
		return nil
	}
	b := d.b[:n:n]
	d.b = d.b[n:]
	return b
}

func (d *itemDecoder) fail() {
	d.bad = true
	d.b = nil
}

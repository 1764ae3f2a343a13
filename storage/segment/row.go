package segment

import (
	"encoding/binary"
	"errors"
)

// The table's keys begin with a letter: 'l' and the ledger for what is known of a ledger; 'r', ledger and generation for where its
// entries lie in a sealed segment; 's' and the generation for a sealed segment; 'v' for the table itself. Numbers in keys are
// big-endian, so that they sort.
const (
	keyLedger  = 'l'
	keyRow     = 'r'
	keySegment = 's'
	keyVersion = 'v'
)

var errRow = errors.New("table value does not decode")

func ledgerKey(ledger int64) []byte {
	return binary.BigEndian.AppendUint64([]byte{keyLedger}, uint64(ledger))
}

func rowKey(ledger int64, generation uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64([]byte{keyRow}, uint64(ledger)), generation)
}

func segmentKey(generation uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{keySegment}, generation)
}

// row is one ledger in one sealed segment. Its value is uvarints: where its footer piece is, the lengths of the piece's head and of
// the piece, entries, bytes of records, and, if there are entries, the lowest and the highest minus the lowest.
type row struct {
	generation  uint64
	at          int64
	head, total int
	first, last int64
	count       int64
	bytes       int64
}

func (r row) encode() []byte {
	b := make([]byte, 0, 32)
	b = binary.AppendUvarint(b, uint64(r.at))
	b = binary.AppendUvarint(b, uint64(r.head))
	b = binary.AppendUvarint(b, uint64(r.total))
	b = binary.AppendUvarint(b, uint64(r.count))
	b = binary.AppendUvarint(b, uint64(r.bytes))
	if r.count > 0 {
		b = binary.AppendUvarint(b, uint64(r.first))
		b = binary.AppendUvarint(b, uint64(r.last-r.first))
	}
	return b
}

func decodeRow(key, value []byte) (ledger int64, r row, err error) {
	if len(key) != 17 {
		return 0, row{}, errRow
	}
	d := itemDecoder{b: value}
	r = row{
		generation: binary.BigEndian.Uint64(key[9:]), at: int64(d.uvarint(maxSegment)), head: int(d.uvarint(maxSegment)),
		total: int(d.uvarint(maxSegment)), count: int64(d.uvarint(maxSegment)), bytes: int64(d.uvarint(1 << 62)), first: -1, last: -1,
	}
	if r.count > 0 {
		r.first = int64(d.uvarint(1<<63 - 1))
		r.last = r.first + int64(d.uvarint(1<<63-1))
	}
	if d.bad || len(d.b) > 0 || r.last < r.first || r.head > r.total {
		return 0, row{}, errRow
	}
	return int64(binary.BigEndian.Uint64(key[1:9])), r, nil
}

// ledgerRow is what the table knows of a ledger: a byte of flags (those of a footer piece), uvarint generation in which the ledger
// was first seen, uvarint length and master key, uvarint length and explicit LAC.
type ledgerRow struct {
	control
	born uint64
}

func (r ledgerRow) encode() []byte {
	flags := bitIf(r.key != nil, pieceKey) | bitIf(r.fenced, pieceFenced) | bitIf(r.lac != nil, pieceLAC) | bitIf(r.damaged, pieceDamaged)
	b := make([]byte, 0, 40)
	b = append(b, byte(flags))
	b = binary.AppendUvarint(b, r.born)
	b = binary.AppendUvarint(b, uint64(len(r.key)))
	b = append(b, r.key...)
	b = binary.AppendUvarint(b, uint64(len(r.lac)))
	return append(b, r.lac...)
}

func decodeLedgerRow(b []byte) (ledgerRow, error) {
	d := itemDecoder{b: b}
	flags := uint32(d.byte())
	r := ledgerRow{born: d.uvarint(1<<63 - 1)}
	key := d.bytes(int(d.uvarint(maxControl)))
	lac := d.bytes(int(d.uvarint(maxControl)))
	if d.bad || len(d.b) > 0 {
		return ledgerRow{}, errRow
	}
	r.fenced, r.damaged = flags&pieceFenced != 0, flags&pieceDamaged != 0
	if flags&pieceKey != 0 {
		r.key = append([]byte{}, key...)
	}
	if flags&pieceLAC != 0 {
		r.lac = append([]byte{}, lac...)
	}
	return r, nil
}

// merge lays what a newer segment says over r.
func (r *ledgerRow) merge(c *control) {
	if c == nil {
		return
	}
	if c.key != nil {
		r.key = c.key
	}
	if c.lac != nil {
		r.lac = c.lac
	}
	r.fenced = r.fenced || c.fenced
	r.damaged = r.damaged || c.damaged
}

// segmentRow is a sealed segment in the table: uvarint bytes of living records and of all.
type segmentRow struct{ live, total int64 }

func (r segmentRow) encode() []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, uint64(max(0, r.live))), uint64(r.total))
}

func decodeSegmentRow(key, value []byte) (generation uint64, r segmentRow, err error) {
	d := itemDecoder{b: value}
	r = segmentRow{int64(d.uvarint(1 << 62)), int64(d.uvarint(1 << 62))}
	if d.bad || len(d.b) > 0 || len(key) != 9 {
		return 0, segmentRow{}, errRow
	}
	return binary.BigEndian.Uint64(key[1:]), r, nil
}

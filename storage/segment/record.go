package segment

import (
	"encoding/binary"

	"github.com/strobemq/strobe/storage/bk"
)

// A record is its header and its body. The header has a checksum of its own, so that damage in a body still leaves known
// whose body it is and where the next record begins.
//
//	 0  4  crc32c of bytes 4..31, seeded
//	 4  4  crc32c of the body, seeded
//	 8  4  length of the body
//	12  1  kind: 1 entry, 2 master key, 3 fence, 4 explicit LAC, 5 delete
//	13  1  flags: 1 survivor (appended again from a segment that was freed)
//	14  2  0
//	16  8  ledger
//	24  8  entry; 0 unless the kind is entry
const recordHeaderSize = 32

const recordSurvivor = 1

// maxControl caps the body of records that are no entries.
const maxControl = 64 << 10

type recordHeader struct {
	kind    bk.RecordKind
	flags   uint8
	ledger  int64
	entry   int64
	length  int
	bodySum uint32
}

func appendRecordHeader(dst []byte, h *recordHeader, sd seed) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, h.bodySum)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(h.length))
	dst = append(dst, byte(h.kind), h.flags, 0, 0)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.ledger))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.entry))
	binary.LittleEndian.PutUint32(dst[at:], sd.sum(dst[at+4:]))
	return dst
}

// decodeRecordHeader reports false for bytes that are no record header of this generation.
func decodeRecordHeader(b []byte, sd seed) (recordHeader, bool) {
	if len(b) < recordHeaderSize || binary.LittleEndian.Uint32(b) != sd.sum(b[4:recordHeaderSize]) {
		return recordHeader{}, false
	}
	h := recordHeader{
		bodySum: binary.LittleEndian.Uint32(b[4:]),
		length:  int(binary.LittleEndian.Uint32(b[8:])),
		kind:    bk.RecordKind(b[12]),
		flags:   b[13],
		ledger:  int64(binary.LittleEndian.Uint64(b[16:])),
		entry:   int64(binary.LittleEndian.Uint64(b[24:])),
	}
	if h.kind < bk.RecordEntry || h.kind > bk.RecordDelete || h.length > maxSegment {
		return recordHeader{}, false
	}
	return h, true
}

// isEntry reports whether b begins with the record of this entry and returns the checksum of its body. Where ledger, entry, length and
// the body's seeded checksum all fit, the header's own checksum has nothing to add.
func isEntry(b []byte, ledger, entry int64, length int) (bodySum uint32, ok bool) {
	_ = b[recordHeaderSize-1]
	ok = binary.LittleEndian.Uint32(b[8:]) == uint32(length) && bk.RecordKind(b[12]) == bk.RecordEntry &&
		binary.LittleEndian.Uint64(b[16:]) == uint64(ledger) && binary.LittleEndian.Uint64(b[24:]) == uint64(entry)
	return binary.LittleEndian.Uint32(b[4:]), ok
}

package segment

import "encoding/binary"

// A group is what one commit wrote: a header and the records behind it, without gaps. Groups follow one another without
// gaps too, and their numbers go on by one from segment to segment, for the life of the log.
//
//	 0  4  "grp1"
//	 4  4  crc32c of bytes 8..55, seeded
//	 8  8  number
//	16  8  offset of this header in the file
//	24  8  how far the file was synced when this was written
//	32  4  length of what follows the header
//	36  4  records in it
//	40  4  crc32c of the header of the group before (its bytes 4..7)
//	44  4  crc32c of what follows, seeded, for an index block; 0 for records, which have their own
//	48  1  kind: 1 records, 2 index block
//	49  7  0
//
// The link to the group before keeps groups that were written, never synced, and then overwritten in part from being taken
// for the continuation of the new ones.
const groupHeaderSize = 56

const groupMagic = "grp1"

const (
	groupRecords = 1
	groupIndex   = 2
)

type groupHeader struct {
	number     uint64
	at         int64
	synced     int64
	length     int
	records    int
	previous   uint32
	payloadSum uint32
	kind       uint8
	sum        uint32 // of this header
}

// appendTo encodes the header and sets sum.
func (g *groupHeader) appendTo(dst []byte, sd seed) []byte {
	at := len(dst)
	dst = append(dst, groupMagic...)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint64(dst, g.number)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(g.at))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(g.synced))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(g.length))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(g.records))
	dst = binary.LittleEndian.AppendUint32(dst, g.previous)
	dst = binary.LittleEndian.AppendUint32(dst, g.payloadSum)
	dst = append(dst, g.kind, 0, 0, 0, 0, 0, 0, 0)
	g.sum = sd.sum(dst[at+8:])
	binary.LittleEndian.PutUint32(dst[at+4:], g.sum)
	return dst
}

// decodeGroupHeader reports false for bytes that are no group header of this generation at this offset.
func decodeGroupHeader(b []byte, at int64, sd seed) (groupHeader, bool) {
	if len(b) < groupHeaderSize || string(b[:4]) != groupMagic || binary.LittleEndian.Uint32(b[4:]) != sd.sum(b[8:groupHeaderSize]) {
		return groupHeader{}, false
	}
	g := groupHeader{
		sum:        binary.LittleEndian.Uint32(b[4:]),
		number:     binary.LittleEndian.Uint64(b[8:]),
		at:         int64(binary.LittleEndian.Uint64(b[16:])),
		synced:     int64(binary.LittleEndian.Uint64(b[24:])),
		length:     int(binary.LittleEndian.Uint32(b[32:])),
		records:    int(binary.LittleEndian.Uint32(b[36:])),
		previous:   binary.LittleEndian.Uint32(b[40:]),
		payloadSum: binary.LittleEndian.Uint32(b[44:]),
		kind:       b[48],
	}
	if g.at != at || g.synced > at || g.length > maxSegment {
		return groupHeader{}, false
	}
	switch g.kind {
	case groupRecords:
		return g, g.records <= g.length/recordHeaderSize
	case groupIndex:
		return g, g.records <= g.length
	}
	return groupHeader{}, false
}

func (g *groupHeader) end() int64 { return g.at + groupHeaderSize + int64(g.length) }

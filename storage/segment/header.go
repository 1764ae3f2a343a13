package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// A segment file begins with a page for its header, at 0 and again at 1024, and its seal, at 2048. Groups follow from 4096.
//
//	header                              seal
//	 0  8  "strobseg"                    0  8  "strobend"
//	 8  2  format version                8  4  crc32c of bytes 12..63, seeded
//	10  2  0                            12  4  crc32c of the footer, seeded
//	12  4  crc32c of the 64 bytes,      16  8  generation
//	       these four as 0              24  8  where the groups end
//	16  8  generation                   32  8  where the footer begins
//	24  8  generation of the file's     40  8  length of the footer
//	       last lap, 0: a new file      48  8  number of the last group
//	32 16  log id                       56  4  crc32c of the last group's header
//	48 16  0                            60  4  ledgers in the footer
const (
	formatVersion = 1
	headerSize    = 64
	headerCopyAt  = 1024
	sealSize      = 64
	sealAt        = 2048
	groupsAt      = 4096
)

var (
	headerMagic = []byte("strobseg")
	sealMagic   = []byte("strobend")
)

var (
	errNoHeader = errors.New("no segment header")
	errNoSeal   = errors.New("not sealed")
)

// versionError is a header of a format that this program does not know.
type versionError uint16

func (v versionError) Error() string { return fmt.Sprintf("format version %d", uint16(v)) }

type header struct {
	generation uint64
	recycled   uint64
	id         logID
}

func (h header) encode() []byte {
	b := make([]byte, headerSize)
	copy(b, headerMagic)
	binary.LittleEndian.PutUint16(b[8:], formatVersion)
	binary.LittleEndian.PutUint64(b[16:], h.generation)
	binary.LittleEndian.PutUint64(b[24:], h.recycled)
	copy(b[32:], h.id[:])
	binary.LittleEndian.PutUint32(b[12:], crc32.Checksum(b, castagnoli))
	return b
}

// decodeHeader answers errNoHeader for anything that is not a whole header, and a versionError for a whole header of
// another version.
func decodeHeader(b []byte) (header, error) {
	if len(b) < headerSize || !bytes.Equal(b[:8], headerMagic) {
		return header{}, errNoHeader
	}
	var c [headerSize]byte
	copy(c[:], b)
	clear(c[12:16])
	if binary.LittleEndian.Uint32(b[12:]) != crc32.Checksum(c[:], castagnoli) {
		return header{}, errNoHeader
	}
	if v := binary.LittleEndian.Uint16(b[8:]); v != formatVersion {
		return header{}, versionError(v)
	}
	h := header{generation: binary.LittleEndian.Uint64(b[16:]), recycled: binary.LittleEndian.Uint64(b[24:])}
	copy(h.id[:], b[32:48])
	return h, nil
}

// readHeader decodes the header in the first page of a file, from its copy if it is damaged.
func readHeader(page []byte) (header, error) {
	h, err := decodeHeader(page)
	if err == errNoHeader && len(page) > headerCopyAt {
		return decodeHeader(page[headerCopyAt:])
	}
	return h, err
}

type seal struct {
	generation   uint64
	end          int64
	footerAt     int64
	footerLen    int64
	footerSum    uint32
	lastGroup    uint64
	lastGroupSum uint32
	ledgers      uint32
}

func (s seal) encode(sd seed) []byte {
	b := make([]byte, sealSize)
	copy(b, sealMagic)
	binary.LittleEndian.PutUint32(b[12:], s.footerSum)
	binary.LittleEndian.PutUint64(b[16:], s.generation)
	binary.LittleEndian.PutUint64(b[24:], uint64(s.end))
	binary.LittleEndian.PutUint64(b[32:], uint64(s.footerAt))
	binary.LittleEndian.PutUint64(b[40:], uint64(s.footerLen))
	binary.LittleEndian.PutUint64(b[48:], s.lastGroup)
	binary.LittleEndian.PutUint32(b[56:], s.lastGroupSum)
	binary.LittleEndian.PutUint32(b[60:], s.ledgers)
	binary.LittleEndian.PutUint32(b[8:], sd.sum(b[12:]))
	return b
}

// maxSegment caps every offset in a segment: they are kept as 32 bits in memory and in footers.
const maxSegment = 2 << 30

func decodeSeal(b []byte, sd seed) (seal, error) {
	if len(b) < sealSize || !bytes.Equal(b[:8], sealMagic) || binary.LittleEndian.Uint32(b[8:]) != sd.sum(b[12:sealSize]) {
		return seal{}, errNoSeal
	}
	s := seal{
		footerSum:    binary.LittleEndian.Uint32(b[12:]),
		generation:   binary.LittleEndian.Uint64(b[16:]),
		end:          int64(binary.LittleEndian.Uint64(b[24:])),
		footerAt:     int64(binary.LittleEndian.Uint64(b[32:])),
		footerLen:    int64(binary.LittleEndian.Uint64(b[40:])),
		lastGroup:    binary.LittleEndian.Uint64(b[48:]),
		lastGroupSum: binary.LittleEndian.Uint32(b[56:]),
		ledgers:      binary.LittleEndian.Uint32(b[60:]),
	}
	if s.end < groupsAt || s.end > maxSegment || s.footerAt < s.end || s.footerAt > maxSegment || s.footerLen < 0 || s.footerLen > maxSegment {
		return seal{}, errNoSeal
	}
	return s, nil
}

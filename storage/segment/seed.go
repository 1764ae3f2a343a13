package segment

import (
	"encoding/binary"
	"hash/crc32"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// logID names one log. It is random, so that no client can store bytes that look like the log's own frames.
type logID [16]byte

// seed is where every checksum of one generation of one log starts: what an earlier lap, another log or a client left in
// a file never verifies.
type seed uint32

func newSeed(id logID, generation uint64) seed {
	var b [24]byte
	copy(b[:], id[:])
	binary.LittleEndian.PutUint64(b[16:], generation)
	return seed(crc32.Checksum(b[:], castagnoli))
}

func (s seed) sum(b []byte) uint32 { return crc32.Update(uint32(s), castagnoli, b) }

// sum2 is the checksum of a followed by b.
func (s seed) sum2(a, b []byte) uint32 {
	return crc32.Update(crc32.Update(uint32(s), castagnoli, a), castagnoli, b)
}

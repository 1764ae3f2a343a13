package subscription

import (
	"encoding/base64"
	"encoding/binary"
	"math/bits"

	"github.com/strobemq/strobe/broker/wire"
)

// hashes is how many hashes a key-shared subscription divides among its consumers.
const hashes = 1 << 16

// noKey is what entries without a key are hashed as: they all go to one consumer, in order.
var noKey = []byte("NONE_KEY")

// keyHash is the entry's place among the hashes: that of its ordering key, or of its key. scratch is for keys that have to be
// decoded; it is returned, perhaps grown.
func keyHash(m *wire.Metadata, scratch []byte) (uint16, []byte) {
	key := noKey
	switch {
	case m.OrderingKey != nil:
		key = m.OrderingKey
	case m.PartitionKey != nil && m.KeyB64:
		// A key that is no base64 counts as it stands.
		key = m.PartitionKey
		if out, err := base64.StdEncoding.AppendDecode(scratch[:0], m.PartitionKey); err == nil {
			key, scratch = out, out
		}
	case m.PartitionKey != nil:
		key = m.PartitionKey
	}
	return uint16(murmur3(key) & 0x7fffffff % hashes), scratch
}

// murmur3 is MurmurHash3 x86 32 with seed 0, by which clients and brokers agree on where a key belongs.
func murmur3(b []byte) uint32 {
	const c1, c2 = 0xcc9e2d51, 0x1b873593
	var h uint32
	n := len(b)
	for ; len(b) >= 4; b = b[4:] {
		k := bits.RotateLeft32(binary.LittleEndian.Uint32(b)*c1, 15) * c2
		h = bits.RotateLeft32(h^k, 13)*5 + 0xe6546b64
	}
	var k uint32
	for i := len(b) - 1; i >= 0; i-- {
		k = k<<8 | uint32(b[i])
	}
	if len(b) > 0 {
		h ^= bits.RotateLeft32(k*c1, 15) * c2
	}
	h ^= uint32(n)
	h = (h ^ h>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	return h ^ h>>16
}

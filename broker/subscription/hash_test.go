package subscription

import (
	"testing"

	"github.com/strobemq/strobe/broker/wire"
)

// The values are those of the published test vectors of MurmurHash3 x86 32 with seed 0.
func TestMurmur3(t *testing.T) {
	for _, c := range []struct {
		in   string
		want uint32
	}{
		{"", 0},
		{"\x21\x43\x65\x87", 0xf55b516b},
		{"\x21\x43\x65", 0x7e4a8634},
		{"\x21\x43", 0xa0f7b07a},
		{"\x21", 0x72661cf4},
		{"\x00\x00\x00\x00", 0x2362f9de},
		{"\xff\xff\xff\xff", 0x76293b50},
		{"The quick brown fox jumps over the lazy dog", 0x2e4ff723},
	} {
		if got := murmur3([]byte(c.in)); got != c.want {
			t.Errorf("murmur3(%q) = %#x, want %#x", c.in, got, c.want)
		}
	}
}

func TestKeyHash(t *testing.T) {
	hash := func(m wire.Metadata) uint16 {
		h, _ := keyHash(&m, nil)
		return h
	}
	plain := hash(wire.Metadata{PartitionKey: []byte("hello")})
	if b64 := hash(wire.Metadata{PartitionKey: []byte("aGVsbG8="), KeyB64: true}); b64 != plain {
		t.Errorf("a key in base64 hashes to %d, the key itself to %d", b64, plain)
	}
	if o := hash(wire.Metadata{PartitionKey: []byte("x"), OrderingKey: []byte("hello")}); o != plain {
		t.Errorf("the ordering key goes before the key: %d, want %d", o, plain)
	}
	if hash(wire.Metadata{PartitionKey: []byte("no base64!"), KeyB64: true}) != hash(wire.Metadata{PartitionKey: []byte("no base64!")}) {
		t.Error("a key that is no base64 counts as it stands")
	}
	if hash(wire.Metadata{}) != hash(wire.Metadata{PartitionKey: []byte("NONE_KEY")}) {
		t.Error("entries without a key belong together")
	}
}

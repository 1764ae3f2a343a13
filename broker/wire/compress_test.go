package wire

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestCompression(t *testing.T) {
	noise := make([]byte, 70_000)
	rng := rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(noise)
	for _, c := range []Compression{None, LZ4, ZLIB, ZSTD, Snappy} {
		for name, body := range map[string][]byte{
			"empty": {}, "short": []byte("hello"), "text": bytes.Repeat([]byte("strobe "), 10_000), "noise": noise,
		} {
			packed, err := c.Compress([]byte("head"), body)
			if err != nil {
				t.Fatalf("%s %s: %v", c, name, err)
			}
			if !bytes.HasPrefix(packed, []byte("head")) {
				t.Fatalf("%s %s: what was there is gone", c, name)
			}
			packed = packed[4:]
			got, err := c.Decompress([]byte("head"), packed, uint32(len(body)), 1<<20)
			if err != nil || !bytes.Equal(got, append([]byte("head"), body...)) {
				t.Errorf("%s %s: %d bytes, %v", c, name, len(got), err)
			}
			if c == None || len(body) == 0 {
				continue
			}
			for _, size := range []uint32{uint32(len(body)) - 1, uint32(len(body)) + 1} {
				if _, err := c.Decompress(nil, packed, size, 1<<20); err == nil {
					t.Errorf("%s %s: %d bytes passed for %d", c, name, len(body), size)
				}
			}
			if _, err := c.Decompress(nil, packed, uint32(len(body)), len(body)-1); err == nil {
				t.Errorf("%s %s: went over the limit", c, name)
			}
			if _, err := c.Decompress(nil, packed[:len(packed)/2], uint32(len(body)), 1<<20); err == nil {
				t.Errorf("%s %s: half of it passed", c, name)
			}
		}
	}
	if _, err := Compression(9).Decompress(nil, []byte("x"), 1, 10); err == nil {
		t.Error("an unknown compression passed")
	}
}

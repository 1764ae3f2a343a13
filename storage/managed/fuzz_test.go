package managed

import (
	"bytes"
	"encoding/hex"
	"testing"
)

func FuzzLedgerInfo(f *testing.F) {
	for _, n := range golden[goldenNode](f, "nodes.jsonl") {
		f.Add(n.Data)
		for codec := range int64(5) {
			f.Add(compressed(codec, n.Data))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		i, err := decodeLedgerInfo(b)
		if err != nil {
			return
		}
		again, err := decodeLedgerInfo(i.encode())
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if !bytes.Equal(i.encode(), again.encode()) {
			t.Fatal("writing is not stable")
		}
	})
}

func FuzzCursorInfo(f *testing.F) {
	for _, n := range golden[goldenNode](f, "nodes.jsonl") {
		f.Add(n.Data)
		f.Add(compressed(3, n.Data))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		i, err := decodeCursorInfo(b)
		if err != nil {
			return
		}
		again, err := decodeCursorInfo(i.encode())
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if !bytes.Equal(i.encode(), again.encode()) {
			t.Fatal("writing is not stable")
		}
	})
}

func FuzzPosition(f *testing.F) {
	for _, e := range golden[goldenEntry](f, "cursor-entries.jsonl") {
		b, err := hex.DecodeString(e.Payload)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(appendBytes(appendInt(appendInt(nil, 1, 7), 2, -1), 6, appendInt(appendInt(nil, 1, 7), 2, 0x5555)))
	f.Add([]byte(`{"parts":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := decodePosition(b)
		if err != nil {
			return
		}
		again, err := decodePosition(p.encode())
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if !bytes.Equal(p.encode(), again.encode()) {
			t.Fatal("writing is not stable")
		}
	})
}

func FuzzDecodeName(f *testing.F) {
	f.Add("a+b%2F")
	f.Add("%")
	f.Fuzz(func(t *testing.T, s string) {
		if plain, err := DecodeName(s); err == nil {
			if again, err := DecodeName(EncodeName(plain)); err != nil || again != plain {
				t.Fatalf("%q → %q → %q, %v", s, plain, again, err)
			}
		}
	})
}

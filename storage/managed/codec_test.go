package managed

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"pgregory.net/rapid"

	"github.com/strobemq/strobe/storage/bk"
)

// goldenNode is a node as Apache Pulsar 4.0.8 wrote it.
type goldenNode struct {
	Phase, Path string
	Data        []byte
}

type goldenEntry struct {
	Ledger, Entry int64
	Payload       string
}

func golden[T any](t testing.TB, file string) []T {
	t.Helper()
	f, err := os.Open("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []T
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var one T
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

const goldenRoot = "/managed-ledgers/public/golden/persistent/"

var cmpInternal = cmp.AllowUnexported(ledgerInfo{}, link{}, cursorInfo{}, position{}, ackRange{}, batchSet{})

// Apache's nodes are understood, and written back byte for byte.
func TestGoldenNodes(t *testing.T) {
	ranges := position{
		markDelete: bk.Position{Ledger: 26, Entry: 1},
		ranges:     []ackRange{{26, 3, 3}, {26, 5, 7}, {26, 10, 10}},
		batches:    []batchSet{{bk.Position{Ledger: 26, Entry: 20}, []int64{886}}},
	}
	owner := map[string]string{"owner": "golden"}
	start := position{markDelete: bk.Position{Ledger: 26, Entry: -1}}
	want := map[string]any{
		"v2-open raw-plain":          ledgerInfo{links: []link{{ledger: 11}}},
		"v2-unloaded raw-plain":      ledgerInfo{links: []link{{ledger: 11, entries: 2, size: 68, timestamp: 1795304322444}, {ledger: 62}}},
		"v2-open cursors":            ledgerInfo{links: []link{{ledger: 26}}},
		"v2-recovered cursors":       ledgerInfo{links: []link{{ledger: 26, entries: 21, size: 4083, timestamp: 1795304398114}, {ledger: 79}}},
		"v2-open cursors/cumulative": cursorInfo{ledger: 28, active: 1795304314180, position: start},
		"v2-open cursors/ranges":     cursorInfo{ledger: 27, active: 1795304313965, position: start, properties: owner},
		"v2-unloaded cursors/cumulative": cursorInfo{
			ledger: -1, active: 1795304317188, position: position{markDelete: bk.Position{Ledger: 26, Entry: 6}}},
		"v2-unloaded cursors/ranges": cursorInfo{ledger: -1, active: 1795304317182, position: ranges, properties: owner},
	}
	for _, n := range golden[goldenNode](t, "nodes.jsonl") {
		key := n.Phase + " " + n.Path[len(goldenRoot):]
		w, ok := want[key]
		if !ok {
			t.Errorf("nothing expected of %s", key)
			continue
		}
		delete(want, key)
		var got any
		var again []byte
		switch w.(type) {
		case ledgerInfo:
			i, err := decodeLedgerInfo(n.Data)
			if err != nil {
				t.Fatalf("%s: %v", key, err)
			}
			got, again = i, i.encode()
		case cursorInfo:
			i, err := decodeCursorInfo(n.Data)
			if err != nil {
				t.Fatalf("%s: %v", key, err)
			}
			got, again = i, i.encode()
		}
		if d := cmp.Diff(w, got, cmpInternal); d != "" {
			t.Errorf("%s:\n%s", key, d)
		}
		if !bytes.Equal(again, n.Data) {
			t.Errorf("%s written back as\n%x, was\n%x", key, again, n.Data)
		}
	}
	if len(want) > 0 {
		t.Errorf("no golden bytes for %v", want)
	}
}

func TestGoldenPositions(t *testing.T) {
	for _, e := range golden[goldenEntry](t, "cursor-entries.jsonl") {
		raw, err := hex.DecodeString(e.Payload)
		if err != nil {
			t.Fatal(err)
		}
		p, err := decodePosition(raw)
		if err != nil {
			t.Fatalf("entry %d: %v", e.Entry, err)
		}
		if again := p.encode(); !bytes.Equal(again, raw) {
			t.Errorf("entry %d written back as %x, was %x", e.Entry, again, raw)
		}
		if e.Entry == 9 {
			want := position{
				markDelete: bk.Position{Ledger: 26, Entry: 1}, ranges: []ackRange{{26, 3, 3}, {26, 5, 7}, {26, 10, 10}},
				batches: []batchSet{{bk.Position{Ledger: 26, Entry: 20}, []int64{886}}},
			}
			if d := cmp.Diff(want, p, cmpInternal); d != "" {
				t.Error(d)
			}
		}
	}
}

// What is not understood, and what only others use, comes out as it went in.
func TestNodesPreserve(t *testing.T) {
	offload := appendBytes(nil, 5, appendInt(nil, 1, 77))
	sub := append(appendInt(appendInt(nil, 1, 3), 4, 0), offload...)
	node := appendBytes(nil, 1, sub)
	node = appendBytes(node, 2, appendPosition(nil, bk.Position{Ledger: 3, Entry: 9}))
	node = appendBytes(node, 3, appendPair(nil, "index", "42"))
	node = appendBytes(node, 3, appendPair(nil, "pulsar.topic.epoch", "7"))
	node = appendString(node, 99, "from the future")
	i, err := decodeLedgerInfo(node)
	if err != nil {
		t.Fatal(err)
	}
	if again := i.encode(); !bytes.Equal(again, node) {
		t.Errorf("ledger node written back as %x, was %x", again, node)
	}
	cursor := appendInt(appendInt(appendInt(nil, 1, -1), 2, 3), 3, 4)
	cursor = appendBytes(cursor, 5, appendInt(appendString(nil, 1, "pulsar.replicated.subscription"), 2, 1))
	cursor = appendBytes(cursor, 8, appendPair(nil, "#pulsar.internal.delayed.bucket_1_2", "3"))
	cursor = appendString(cursor, 77, "from the future")
	c, err := decodeCursorInfo(cursor)
	if err != nil {
		t.Fatal(err)
	}
	if again := c.encode(); !bytes.Equal(again, cursor) {
		t.Errorf("cursor node written back as %x, was %x", again, cursor)
	}
}

func TestEmptyNode(t *testing.T) {
	i, err := decodeLedgerInfo(nil)
	if err != nil || len(i.links) != 0 || i.terminated != nil {
		t.Errorf("%+v, %v", i, err)
	}
}

// compressed wraps a node's value as a cluster with node compression stores it.
func compressed(codec int64, plain []byte) []byte {
	var packed bytes.Buffer
	switch codec {
	case 0:
		packed.Write(plain)
	case 1:
		out := make([]byte, lz4.CompressBlockBound(len(plain)))
		n, _ := lz4.CompressBlock(plain, out, nil)
		packed.Write(out[:n])
	case 2:
		w := zlib.NewWriter(&packed)
		_, _ = w.Write(plain)
		_ = w.Close()
	case 3:
		w, _ := zstd.NewWriter(&packed)
		_, _ = w.Write(plain)
		_ = w.Close()
	case 4:
		packed.Write(snappy.Encode(nil, plain))
	}
	header := appendInt(appendInt(nil, 1, codec), 2, int64(len(plain)))
	value := binary.BigEndian.AppendUint16(nil, compressedMagic)
	value = binary.BigEndian.AppendUint32(value, uint32(len(header)))
	return append(append(value, header...), packed.Bytes()...)
}

func TestCompressedNodes(t *testing.T) {
	var info ledgerInfo
	for i := range int64(50) {
		info.links = append(info.links, link{ledger: i, entries: 50_000, size: 1 << 20, timestamp: 1795304322444})
	}
	plain := info.encode()
	for codec := range int64(5) {
		got, err := decodeLedgerInfo(compressed(codec, plain))
		if err != nil {
			t.Fatalf("codec %d: %v", codec, err)
		}
		if d := cmp.Diff(info, got, cmpInternal); d != "" {
			t.Errorf("codec %d:\n%s", codec, d)
		}
	}
	if _, err := decodeLedgerInfo(compressed(9, plain)); !errors.Is(err, errNewer) {
		t.Errorf("a compression of a later version: %v", err)
	}
	if _, err := decodeLedgerInfo(compressed(3, plain)[:30]); err == nil || errors.Is(err, errNewer) {
		t.Error("a truncated node is accepted")
	}
}

// Ranges written as bit sets by newer brokers mean the same as ranges.
func TestPositionBitSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.Int64(), 1, 6).Draw(t, "words")
		sub := appendInt(nil, 1, 7)
		packed := rapid.Bool().Draw(t, "packed")
		var all []byte
		for _, w := range words {
			if packed {
				all = binary.AppendUvarint(all, uint64(w))
			} else {
				sub = appendInt(sub, 2, w)
			}
		}
		if packed {
			sub = appendBytes(sub, 2, all)
		}
		p, err := decodePosition(appendBytes(appendInt(appendInt(nil, 1, 7), 2, -1), 6, sub))
		if err != nil {
			t.Fatal(err)
		}
		m := naive{}
		for i, w := range words {
			for b := range 64 {
				if w>>b&1 != 0 {
					m[bk.Position{Ledger: 7, Entry: int64(i*64 + b)}] = true
				}
			}
		}
		if want := m.ranges(); !slices.Equal(p.ranges, want) {
			t.Fatalf("%x: ranges %v, want %v", words, p.ranges, want)
		}
	})
}

func TestNames(t *testing.T) {
	for plain, encoded := range map[string]string{
		"plain-1.x_y": "plain-1.x_y", "a b": "a+b", "a*~": "a*%7E", "ü/%": "%C3%BC%2F%25", "+": "%2B",
	} {
		if got := EncodeName(plain); got != encoded {
			t.Errorf("%q encoded as %q, want %q", plain, got, encoded)
		}
		if got, err := DecodeName(encoded); err != nil || got != plain {
			t.Errorf("%q decoded as %q, %v", encoded, got, err)
		}
	}
	for _, broken := range []string{"%", "%4", "%zz", "a%"} {
		if _, err := DecodeName(broken); err == nil {
			t.Errorf("%q decoded", broken)
		}
	}
}

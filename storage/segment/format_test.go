package segment

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/vfs"
)

var rewrite = flag.Bool("rewrite", false, "write testdata/format.txt anew; commit that only with a new format version")

var goldenID = logID{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

// goldenFrames is one of everything that is put on disk, built from fixed values.
func goldenFrames() (names []string, frames map[string][]byte) {
	frames = map[string][]byte{}
	add := func(name string, b []byte) {
		names = append(names, name)
		frames[name] = b
	}
	sd := newSeed(goldenID, 0x102)
	add("header", header{generation: 0x102, recycled: 0x101, id: goldenID}.encode())
	add("seal", seal{generation: 0x102, end: 0x5000, footerAt: 0x5000, footerLen: 0x321, footerSum: 0x01020304, lastGroup: 77, lastGroupSum: 0x0a0b0c0d, ledgers: 3}.encode(sd))
	g := groupHeader{number: 0x1234, at: 0x2000, synced: 0x2000, length: 0x100, records: 2, previous: 0xdeadbeef, kind: groupRecords}
	add("group", g.appendTo(nil, sd))
	body := []byte("stored entry")
	h := recordHeader{kind: bk.RecordEntry, ledger: 42, entry: 7, length: len(body), bodySum: sd.sum(body)}
	add("record entry", append(appendRecordHeader(nil, &h, sd), body...))
	h = recordHeader{kind: bk.RecordFence, ledger: 42, bodySum: sd.sum(nil)}
	add("record fence", appendRecordHeader(nil, &h, sd))
	h = recordHeader{kind: bk.RecordEntry, flags: recordSurvivor, ledger: 42, entry: 8, bodySum: sd.sum(nil)}
	add("record survivor", appendRecordHeader(nil, &h, sd))

	var b indexBuilder
	b.reset(groupsAt)
	b.add(&recordHeader{kind: bk.RecordMasterKey, ledger: 42, length: 3}, 4152, []byte("key"))
	b.add(&recordHeader{kind: bk.RecordEntry, ledger: 42, entry: 0, length: 100}, 4187, nil)
	b.add(&recordHeader{kind: bk.RecordEntry, ledger: 42, entry: 1, length: 300}, 4319, nil)
	b.add(&recordHeader{kind: bk.RecordEntry, flags: recordSurvivor, ledger: 5, entry: 900, length: 10}, 5000, nil)
	b.add(&recordHeader{kind: bk.RecordDelete, ledger: 6}, 5042, nil)
	add("index block", b.buf)

	x := newIndex()
	s := x.slotLocked(42)
	s.applyLocked(bk.RecordMasterKey, []byte("key"))
	s.applyLocked(bk.RecordFence, nil)
	s.applyLocked(bk.RecordExplicitLAC, []byte("lac"))
	for e, off := int64(0), int64(5000); e < 12; e++ {
		x.addLocked(s, e+e/4, off, 100)
		off += 132 + e%3*50
	}
	add("footer piece", x.appendPiece(nil, 42, s, sd))
	add("table ledger", ledgerRow{control: control{key: []byte("key"), fenced: true, lac: []byte("lac")}, born: 9}.encode())
	add("table ledger key", ledgerKey(42))
	add("table row", row{generation: 0x102, at: 0x5000, head: 300, total: 400, first: 3, last: 20, count: 12, bytes: 1584}.encode())
	add("table row key", rowKey(42, 0x102))
	add("table segment", segmentRow{live: 1000, total: 2000}.encode())
	add("table segment key", segmentKey(0x102))
	return names, frames
}

func TestFormatIsPinned(t *testing.T) {
	names, frames := goldenFrames()
	if *rewrite {
		var out bytes.Buffer
		for _, n := range names {
			fmt.Fprintf(&out, "%s: %x\n", n, frames[n])
		}
		if err := os.WriteFile("testdata/format.txt", out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open("testdata/format.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	seen := 0
	for lines := bufio.NewScanner(f); lines.Scan(); seen++ {
		name, digits, _ := strings.Cut(lines.Text(), ": ")
		want, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatal(err)
		}
		if got := frames[name]; !bytes.Equal(got, want) {
			t.Errorf("%s\n got %x\nwant %x", name, got, want)
		}
	}
	if seen != len(names) {
		t.Errorf("%d frames are pinned, not %d", seen, len(names))
	}
}

// TestFormatDecodes: what is pinned means what it was made from.
func TestFormatDecodes(t *testing.T) {
	_, frames := goldenFrames()
	sd := newSeed(goldenID, 0x102)
	if h, err := decodeHeader(frames["header"]); err != nil || h.generation != 0x102 || h.recycled != 0x101 || h.id != goldenID {
		t.Errorf("%+v %v", h, err)
	}
	if s, err := decodeSeal(frames["seal"], sd); err != nil || s.footerLen != 0x321 || s.lastGroup != 77 || s.ledgers != 3 {
		t.Errorf("%+v %v", s, err)
	}
	if g, ok := decodeGroupHeader(frames["group"], 0x2000, sd); !ok || g.number != 0x1234 || g.length != 0x100 || g.previous != 0xdeadbeef {
		t.Errorf("%+v %v", g, ok)
	}
	if _, ok := decodeGroupHeader(frames["group"], 0x2008, sd); ok {
		t.Error("a group is good at one offset only")
	}
	if _, ok := decodeGroupHeader(frames["group"], 0x2000, newSeed(goldenID, 0x103)); ok {
		t.Error("a group is good in one generation only")
	}
	if h, ok := decodeRecordHeader(frames["record entry"], sd); !ok || h.kind != bk.RecordEntry || h.ledger != 42 || h.entry != 7 || h.length != 12 {
		t.Errorf("%+v %v", h, ok)
	}
	n := 0
	from, err := decodeIndexBlock(frames["index block"], 6000, 5, func(h recordHeader, off int64, body []byte) {
		n++
		if h.kind == bk.RecordMasterKey && string(body) != "key" || h.ledger == 5 && (h.entry != 900 || off != 5000 || h.flags != recordSurvivor) {
			t.Errorf("%+v %d %q", h, off, body)
		}
	})
	if err != nil || from != groupsAt || n != 5 {
		t.Error(from, n, err)
	}
	p, err := decodePiece(frames["footer piece"], sd)
	if err != nil || p.ledger != 42 || p.count != 12 || p.first != 0 || p.last != 13 || !p.control.fenced || string(p.control.key) != "key" || string(p.control.lac) != "lac" {
		t.Errorf("%+v %v", p, err)
	}
}

// TestSegmentFileIsReadFromGolden reads a small log that was written once: what older versions wrote must be read for ever.
func TestSegmentFileIsReadFromGolden(t *testing.T) {
	const name = "testdata/segment.hex"
	if *rewrite {
		fs := vfs.NewMem()
		l, err := Open("log", Options{FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		mustAppend(t, l, key(1), entry(1, 0, 40), entry(1, 1, 40))
		mustAppend(t, l, fence(1), lac(2, 5), entry(2, 3, 20))
		closeLog(t, l)
		f, err := fs.Open("log/" + segmentName(1))
		if err != nil {
			t.Fatal(err)
		}
		size, _ := f.Size()
		b := make([]byte, size)
		if _, err := f.ReadAt(b, 0); err != nil {
			t.Fatal(err)
		}
		// The rest of the first page is a copy of the header and zeroes.
		out := hex.EncodeToString(b[:headerSize]) + "\n" + hex.EncodeToString(b[groupsAt:]) + "\n"
		if err := os.WriteFile(name, []byte(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	head, groups, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	fs := vfs.NewMem()
	if err := fs.MkdirAll("log"); err != nil {
		t.Fatal(err)
	}
	f, err := fs.Create("log/" + segmentName(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []struct {
		digits string
		at     int64
	}{{head, 0}, {head, headerCopyAt}, {groups, groupsAt}} {
		b, err := hex.DecodeString(part.digits)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(b, part.at); err != nil {
			t.Fatal(err)
		}
	}
	l := open(t, fs, Options{})
	checkEntries(t, l, 1, 0, 1, 40)
	checkEntries(t, l, 2, 3, 3, 20)
	if st, err := l.Ledger(1); err != nil || !st.Fenced || !bytes.Equal(st.MasterKey, key(1).Head) {
		t.Fatalf("%+v %v", st, err)
	}
}

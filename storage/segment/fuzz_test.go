package segment

import (
	"testing"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/vfs"
)

// seeds gives a fuzz target the pinned frames of the names that begin so.
func seeds(f *testing.F, names ...string) {
	_, frames := goldenFrames()
	for _, n := range names {
		f.Add(frames[n])
	}
}

func FuzzHeader(f *testing.F) {
	seeds(f, "header")
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= headerSize {
			rehash(b)
		}
		h, err := decodeHeader(b)
		if err == nil && string(h.encode()[:48]) != string(b[:48]) && b[10] == 0 && b[11] == 0 && zero(b[48:headerSize]) {
			t.Fatalf("%+v does not encode to %x", h, b)
		}
	})
}

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

func FuzzSeal(f *testing.F) {
	seeds(f, "seal")
	sd := newSeed(goldenID, 0x102)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= sealSize {
			putSum(b[8:], sd.sum(b[12:sealSize]))
		}
		s, err := decodeSeal(b, sd)
		if err == nil && string(s.encode(sd)) != string(b[:sealSize]) {
			t.Fatalf("%+v does not encode to %x", s, b)
		}
	})
}

func FuzzGroup(f *testing.F) {
	seeds(f, "group")
	sd := newSeed(goldenID, 0x102)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= groupHeaderSize {
			putSum(b[4:], sd.sum(b[8:groupHeaderSize]))
		}
		g, ok := decodeGroupHeader(b, 0x2000, sd)
		if ok && (g.length > maxSegment || g.end() < g.at) {
			t.Fatalf("%+v", g)
		}
	})
}

func FuzzRecord(f *testing.F) {
	seeds(f, "record entry", "record fence", "record survivor")
	sd := newSeed(goldenID, 0x102)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= recordHeaderSize {
			putSum(b, sd.sum(b[4:recordHeaderSize]))
		}
		h, ok := decodeRecordHeader(b, sd)
		if ok && (h.length < 0 || h.length > maxSegment || h.kind < bk.RecordEntry || h.kind > bk.RecordDelete) {
			t.Fatalf("%+v", h)
		}
	})
}

func FuzzIndexBlock(f *testing.F) {
	seeds(f, "index block")
	f.Fuzz(func(t *testing.T, b []byte) {
		for records := range 8 {
			last := int64(0)
			_, _ = decodeIndexBlock(b, 1<<20, records, func(h recordHeader, off int64, body []byte) {
				if off < last || h.length < 0 || off+recordHeaderSize+int64(h.length) > 1<<20 {
					t.Fatalf("%+v at %d", h, off)
				}
				last = off
			})
		}
	})
}

func FuzzFooter(f *testing.F) {
	seeds(f, "footer piece")
	sd := newSeed(goldenID, 0x102)
	f.Fuzz(func(t *testing.T, b []byte) {
		if head, _, err := pieceLengths(b); err == nil && head <= len(b) {
			putSum(b[4:], sd.sum(b[8:head]))
		}
		p, err := decodePiece(b, sd)
		if err != nil || p.total > len(b) {
			return
		}
		runs := &sealedRuns{seg: &segment{seed: sd}, table: p.table, dup: p.overlap, data: b[p.head:p.total]}
		for i := range runs.table {
			r := &runs.table[i]
			r.sum = sd.sum(runs.data[r.off:][:r.length])
		}
		places, _, err := collect(runs, nil, p.first, p.last, 1<<20)
		if err == nil && len(places) > len(b) {
			t.Fatalf("%d places from %d bytes", len(places), len(b))
		}
	})
}

func FuzzTable(f *testing.F) {
	seeds(f, "table ledger", "table row", "table segment")
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := decodeLedgerRow(b); err == nil {
			if again, err := decodeLedgerRow(r.encode()); err != nil || again.born != r.born {
				t.Fatalf("%+v %v", again, err)
			}
		}
		if _, r, err := decodeRow(rowKey(1, 2), b); err == nil && r.last < r.first {
			t.Fatalf("%+v", r)
		}
		_, _, _ = decodeSegmentRow(segmentKey(1), b)
	})
}

// FuzzScan opens a log whose first segment holds anything at all behind its header.
func FuzzScan(f *testing.F) {
	fs := vfs.NewMem()
	l, err := Open("log", Options{FS: fs, indexBytes: 512})
	if err != nil {
		f.Fatal(err)
	}
	id := l.id
	appendAll(l, key(1), entry(1, 0, 300), entry(1, 1, 300))
	appendAll(l, entry(2, 0, 300), fence(1))
	if err := l.Close(); err != nil {
		f.Fatal(err)
	}
	file, err := fs.Open("log/" + segmentName(1))
	if err != nil {
		f.Fatal(err)
	}
	size, _ := file.Size()
	b := make([]byte, size)
	if _, err := file.ReadAt(b, 0); err != nil {
		f.Fatal(err)
	}
	f.Add(b[groupsAt:], uint16(0), byte(0))
	f.Add(b[groupsAt:], uint16(100), byte(1))
	f.Fuzz(func(t *testing.T, groups []byte, at uint16, change byte) {
		fs := vfs.NewMem()
		if err := fs.MkdirAll("log"); err != nil {
			t.Fatal(err)
		}
		file, err := fs.Create("log/" + segmentName(1))
		if err != nil {
			t.Fatal(err)
		}
		if len(groups) > 0 {
			groups[int(at)%len(groups)] ^= change
		}
		page := make([]byte, groupsAt)
		copy(page, header{generation: 1, id: id}.encode())
		if _, err := file.WriteAt(append(page, groups...), 0); err != nil {
			t.Fatal(err)
		}
		l, err := Open("log", Options{FS: fs, indexBytes: 512})
		if err != nil {
			t.Fatal(err)
		}
		for id := range int64(3) {
			for e := range int64(3) {
				if got, err := l.Read(id, e, e, 1000); err == nil {
					got[0].Payload.Release()
				}
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

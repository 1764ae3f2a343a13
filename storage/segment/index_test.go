package segment

import (
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/vfs"
)

// TestIndexAgainstAMap adds entries in all the orders that occur (in sequence, striped, twice, survivors between new ones) and compares
// every lookup, in memory and through a footer piece, with a map.
func TestIndexAgainstAMap(t *testing.T) {
	sd := newSeed(goldenID, 1)
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 3))
		x := newIndex()
		x.mu.Lock()
		s := x.slotLocked(7)
		want := map[int64]place{}
		off := int64(groupsAt)
		next, old := int64(1000), int64(0)
		stride := 1 + r.Int64N(3)
		for range 1 + r.IntN(600) {
			e := next
			switch p := r.IntN(100); {
			case p < 2:
				next += r.Int64N(50) // a hole
				e = next
			case p < 5 && seed%2 == 0:
				e = 1000 + r.Int64N(next-1000+1) // once more
			case p < 20 && seed%3 == 0:
				e, old = old, old+1 // a survivor
			}
			if e == next {
				next += stride
			}
			off += r.Int64N(3) * r.Int64N(100_000) / 7
			p := place{entry: e, off: off, length: r.IntN(2000)}
			if w, again := want[e]; again {
				p.length = w.length // the same entry
			}
			x.addLocked(s, p.entry, p.off, p.length)
			want[e] = p
			off = p.end()
		}
		x.mu.Unlock()
		b := x.appendPiece(nil, 7, s, sd)
		p, err := decodePiece(b, sd)
		if err != nil {
			t.Fatal(err)
		}
		sealed := &sealedRuns{seg: &segment{seed: sd}, table: p.table, dup: p.overlap, data: b[p.head:]}
		for _, l := range []runList{memRuns{x, s}, sealed} {
			for e := int64(-1); e < next+5; e++ {
				got, _, err := collect(l, nil, e, e, 1)
				w, ok := want[e]
				if err != nil || ok != (len(got) == 1) || ok && (got[0].entry != e || got[0].length != w.length) {
					t.Fatalf("seed %d entry %d: %v %v, want %v %v", seed, e, got, err, w, ok)
				}
			}
			checkRanges(t, l, want, r, next)
		}
		if p.count != s.count || p.last != s.last || p.first != s.first {
			t.Fatalf("%+v", p)
		}
	}
}

// checkRanges: a range is the entries one by one, up to the first that is absent or does not fit.
func checkRanges(t *testing.T, l runList, want map[int64]place, r *rand.Rand, next int64) {
	t.Helper()
	for range 50 {
		first := r.Int64N(next)
		last := first + r.Int64N(200)
		limit := r.IntN(50_000)
		got, _, err := collect(l, nil, first, last, limit)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0
		for i, p := range got {
			sum += p.length
			if p.entry != first+int64(i) || i > 0 && sum > limit {
				t.Fatalf("%d-%d: %v", first, last, got)
			}
		}
		end := first + int64(len(got))
		if w, ok := want[end]; ok && end <= last && sum+w.length <= limit && len(got) > 0 {
			t.Fatalf("%d-%d within %d ends before %d", first, last, limit, end)
		}
	}
}

// TestIndexIsSmall: a million entries cost a few megabytes.
func TestIndexIsSmall(t *testing.T) {
	for ledgers, limit := range map[int]float64{1: 5, 1000: 9} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		x := newIndex()
		off := int64(groupsAt)
		for i := range 1_000_000 {
			x.addLocked(x.slotLocked(int64(i%ledgers)), int64(i/ledgers), off, 200)
			off += 232
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if per := (float64(after.HeapAlloc) - float64(before.HeapAlloc)) / 1e6; per > limit {
			t.Errorf("%d ledgers: %.1f bytes an entry", ledgers, per)
		}
		runtime.KeepAlive(x)
	}
}

// TestRestartScansLittle: the index blocks, and what lies behind the last of them.
func TestRestartScansLittle(t *testing.T) {
	o := Options{SegmentBytes: 64 << 20, indexBytes: 4 << 20}
	fs := vfs.NewMem()
	fs.SetCapacity(128 << 20) // too little to write ahead
	l := open(t, fs, o)
	for e := int64(0); e < 5600; e += 40 {
		var list []*bk.Record
		for i := range int64(40) {
			list = append(list, entry(1, e+i, 4000))
		}
		mustAppend(t, l, list...)
	}
	await(t, l, "sealing", func() bool { return l.Metrics().OpenSegments == 1 })
	closeLog(t, l)
	reads := 0
	fs.SetHook(func(op vfs.Op, name string) {
		if op == vfs.OpRead && filepath.Base(name) == segmentName(2) {
			reads++
		}
	})
	l = open(t, fs, o)
	if size := l.reg.open[0].end.Load(); size < 12_000_000 || int64(reads)*windowBytes > size/2 {
		t.Fatalf("%d reads of up to %d in %d bytes", reads, windowBytes, size)
	}
	fs.SetHook(nil)
	checkEntries(t, l, 1, 0, 5599, 4000)
}

package segment

import (
	"sync"
	"testing"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/vfs"
)

// flip changes one byte of a segment's file, as a bad device would.
func flip(t testing.TB, fs *vfs.Mem, generation uint64, at int64) {
	t.Helper()
	f, err := fs.Open("log/" + segmentName(generation))
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x40
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}

// offsetOf is where the record header of an entry lies.
func offsetOf(t testing.TB, l *Log, ledger, id int64) (generation uint64, off int64) {
	t.Helper()
	r := &reading{log: l, ledger: ledger, maxBytes: 1, attempt: 5}
	if err := r.locate(id, id); err != nil || len(r.places) != 1 {
		t.Fatal(err, r.places)
	}
	defer r.release()
	return r.parts[0].seg.generation, r.places[0].off
}

func TestDamagedBodyIsSetAside(t *testing.T) {
	fs := vfs.NewMem()
	l := open(t, fs, Options{})
	mustAppend(t, l, key(1))
	fill(t, l, []int64{1}, 0, 20, 500)
	g, off := offsetOf(t, l, 1, 7)
	closeLog(t, l)
	flip(t, fs, g, off+recordHeaderSize+100)

	check := func(l *Log) {
		t.Helper()
		wantFault(t, l.ReadOnly(), fault.SegmentDamaged)
		_, err := l.Read(1, 7, 7, 1000)
		wantCode(t, err, bk.ErrIO)
		checkEntries(t, l, 1, 0, 6, 500)
		checkEntries(t, l, 1, 8, 19, 500)
		// Nothing else is lost: absence means absence.
		_, err = l.Read(1, 20, 20, 1)
		wantCode(t, err, bk.ErrNoEntry)
		if got, err := l.Read(1, 5, 10, 1<<20); err != nil || len(got) != 2 {
			t.Fatalf("%d entries, %v", len(got), err)
		}
		if c := appendAll(l, entry(1, 20, 10)); c[0] != bk.ErrReadOnly {
			t.Fatal(c)
		}
		mustAppend(t, l, fence(1))
	}
	l = open(t, fs, Options{})
	check(l)
	closeLog(t, l)
	l = open(t, fs, Options{})
	check(l)
	// The ledger goes, with it the segment and the reason.
	mustAppend(t, l, remove(1))
	await(t, l, "being writable again", func() bool { return l.ReadOnly() == nil })
	mustAppend(t, l, entry(2, 0, 10))
	closeLog(t, l)
	if _, err := fs.Stat("log/quarantine"); err == nil {
		t.Fatal("the file is still there")
	}
}

func TestDamageIsFoundByReading(t *testing.T) {
	fs := vfs.NewMem()
	l := open(t, fs, small())
	mustAppend(t, l, key(1))
	fill(t, l, []int64{1}, 0, 200, 1000)
	await(t, l, "sealing", func() bool { return l.Metrics().OpenSegments == 1 })
	g, off := offsetOf(t, l, 1, 3)
	flip(t, fs, g, off+5)
	_, err := l.Read(1, 3, 3, 1)
	wantCode(t, err, bk.ErrIO)
	wantFault(t, l.ReadOnly(), fault.SegmentDamaged)
	closeLog(t, l)
	l = open(t, fs, small())
	wantFault(t, l.ReadOnly(), fault.SegmentDamaged) // remembered, not found again
	checkEntries(t, l, 1, 4, 199, 1000)
	// A repair writes the entry again; a segment that is set aside cannot be copied, but the newer copy is what is read.
	l.state.change(func(s *state) { s.damage = nil })
	mustAppend(t, l, entry(1, 3, 1000))
	checkEntries(t, l, 1, 3, 3, 1000)
}

func TestDamagedFooterIsWrittenAgain(t *testing.T) {
	fs := vfs.NewMem()
	l := open(t, fs, small())
	mustAppend(t, l, key(1), key(2))
	fill(t, l, []int64{1, 2}, 0, 100, 1000)
	await(t, l, "sealing", func() bool { return l.Metrics().OpenSegments == 1 })
	mustAppend(t, l, remove(2), lac(1, 9))
	sl, err := l.reg.sealed[1].readSeal()
	if err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	flip(t, fs, 1, sl.footerAt+70)
	l = open(t, fs, small())
	_, err = l.Read(1, 0, 0, 1)
	wantCode(t, err, bk.ErrIO)
	closeLog(t, l)
	l = open(t, fs, small())
	checkEntries(t, l, 1, 0, 99, 1000)
	await(t, l, "sealing", func() bool { return l.Metrics().OpenSegments == 1 && l.ReadOnly() == nil })
	checkEntries(t, l, 1, 0, 99, 1000)
	_, err = l.Ledger(2)
	wantCode(t, err, bk.ErrNoLedger)
	if st, err := l.Ledger(1); err != nil || string(st.ExplicitLAC) != string(lac(1, 9).Head) {
		t.Fatal(st, err)
	}
}

func TestDamagedHeader(t *testing.T) {
	for _, both := range []bool{false, true} {
		for _, sealed := range []bool{false, true} {
			fs := vfs.NewMem()
			l := open(t, fs, small())
			mustAppend(t, l, key(1))
			fill(t, l, []int64{1}, 0, 200, 1000)
			await(t, l, "sealing", func() bool { return l.Metrics().OpenSegments == 1 })
			closeLog(t, l)
			g := l.generation
			if sealed {
				g = 2
			}
			flip(t, fs, g, 20)
			if both {
				flip(t, fs, g, headerCopyAt+20)
			}
			for n := range 2 {
				l = open(t, fs, small())
				checkEntries(t, l, 1, 0, 199, 1000)
				await(t, l, "a new header", func() bool { return l.Metrics().OpenSegments == 1 && l.ReadOnly() == nil })
				if (!both || n > 0) && l.ReadOnly() != nil || l.Limbo() != nil {
					t.Fatal(l.ReadOnly(), l.Limbo())
				}
				closeLog(t, l)
			}
		}
	}
}

// A group header that was durable is gone: nobody knows whose records lay behind it.
func TestDamagedGroupPutsLedgersInLimbo(t *testing.T) {
	fs := vfs.NewMem()
	l := open(t, fs, Options{})
	mustAppend(t, l, key(1))
	fill(t, l, []int64{1}, 0, 10, 500)
	g, off := offsetOf(t, l, 1, 5)
	closeLog(t, l)
	flip(t, fs, g, off-groupHeaderSize+20)
	for range 2 {
		l = open(t, fs, Options{})
		wantFault(t, l.ReadOnly(), fault.SegmentDamaged)
		wantFault(t, l.Limbo(), fault.SegmentLost)
		checkEntries(t, l, 1, 0, 4, 500)
		checkEntries(t, l, 1, 6, 9, 500)
		for _, e := range []int64{5, 10} {
			_, err := l.Read(1, e, e, 1)
			wantCode(t, err, bk.ErrLimbo)
		}
		st, err := l.Ledger(1)
		if err != nil || !st.Limbo || !st.Fenced {
			t.Fatalf("%+v %v", st, err)
		}
		_, err = l.Read(77, 0, 0, 1)
		wantCode(t, err, bk.ErrLimbo)
		closeLog(t, l)
	}
}

func TestTornTailIsNotDamage(t *testing.T) {
	for cut := range int64(700) {
		fs := vfs.NewMem()
		l := open(t, fs, Options{})
		mustAppend(t, l, key(1), entry(1, 0, 300))
		end := l.reg.open[0].end.Load()
		mustAppend(t, l, entry(1, 1, 500))
		closeLog(t, l)
		// As if the last group had reached the disk up to some byte, with zeroes behind.
		f, err := fs.Open("log/" + segmentName(1))
		if err != nil {
			t.Fatal(err)
		}
		size, _ := f.Size()
		if end+cut >= size {
			break
		}
		if _, err := f.WriteAt(make([]byte, size-end-cut), end+cut); err != nil {
			t.Fatal(err)
		}
		l = open(t, fs, Options{})
		if l.ReadOnly() != nil || l.Limbo() != nil {
			t.Fatal(cut, l.ReadOnly(), l.Limbo())
		}
		checkEntries(t, l, 1, 0, 0, 300)
		_, err = l.Read(1, 1, 1, 1)
		wantCode(t, err, bk.ErrNoEntry)
		mustAppend(t, l, entry(1, 1, 200))
		closeLog(t, l)
		l = open(t, fs, Options{})
		checkEntries(t, l, 1, 1, 1, 200)
		closeLog(t, l)
	}
}

// marks is a watermark store.
type marks struct {
	mu         *sync.Mutex
	generation uint64
	synced     int64
}

func (m *marks) watermark() Watermark {
	if m.mu == nil {
		m.mu = new(sync.Mutex)
	}
	return Watermark{
		Load: func() (uint64, int64, bool, error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			return m.generation, m.synced, m.generation > 0, nil
		},
		Save: func(g uint64, s int64) error {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.generation, m.synced = g, s
			return nil
		},
	}
}

// clone is the watermark as it is now.
func (m *marks) clone() marks {
	m.mu.Lock()
	defer m.mu.Unlock()
	return marks{generation: m.generation, synced: m.synced}
}

func TestLostLogPutsLedgersInLimbo(t *testing.T) {
	for name, lose := range map[string]func(fs *vfs.Mem, early *vfs.Mem) *vfs.Mem{
		"everything":       func(*vfs.Mem, *vfs.Mem) *vfs.Mem { return vfs.NewMem() },
		"back to an image": func(_, early *vfs.Mem) *vfs.Mem { return early },
		"a segment in the middle": func(fs, _ *vfs.Mem) *vfs.Mem {
			if err := fs.Remove("log/" + segmentName(3)); err != nil {
				panic(err)
			}
			return fs
		},
		"the last segments": func(fs, _ *vfs.Mem) *vfs.Mem {
			for g := uint64(4); g < 20; g++ {
				_ = fs.Remove("log/" + segmentName(g))
			}
			return fs
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := &marks{}
			o := small()
			o.Watermark = m.watermark()
			fs := vfs.NewMem()
			l := open(t, fs, o)
			mustAppend(t, l, key(1), key(2))
			fill(t, l, []int64{1}, 0, 20, 1000)
			early := fs.CrashClone(vfs.Crash{})
			fill(t, l, []int64{1, 2}, 20, 300, 1000)
			await(t, l, "sealing", func() bool { return l.Metrics().OpenSegments == 1 })
			closeLog(t, l)
			fs = lose(fs, early)
			for range 2 {
				l = open(t, fs, o)
				wantFault(t, l.Limbo(), fault.SegmentLost)
				if l.ReadOnly() != nil {
					t.Fatal(l.ReadOnly())
				}
				for _, id := range []int64{1, 2, 3} {
					_, err := l.Read(id, 500, 500, 1)
					wantCode(t, err, bk.ErrLimbo)
				}
				st, err := l.Ledger(3)
				wantCode(t, err, bk.ErrNoLedger)
				if !st.Limbo {
					t.Fatal("an unknown ledger may have been here")
				}
				closeLog(t, l)
			}
			// A ledger that begins with its first entry after the loss is a new one; another may have been here before.
			l = open(t, fs, o)
			mustAppend(t, l, key(50), entry(50, 0, 10), key(51), entry(51, 7, 10))
			_, err := l.Read(50, 1, 1, 1)
			wantCode(t, err, bk.ErrNoEntry)
			_, err = l.Read(51, 6, 6, 1)
			wantCode(t, err, bk.ErrLimbo)
			closeLog(t, l)
			// Somebody accepts the loss.
			if err := fs.Remove("log/limbo"); err != nil {
				t.Fatal(err)
			}
			l = open(t, fs, o)
			if l.Limbo() != nil {
				t.Fatal(l.Limbo())
			}
		})
	}
}

package segment

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/vfs"
)

// medium is a log that is written ahead in steps of 32 KiB.
func medium() Options {
	return Options{SegmentBytes: 256 << 10, ReserveBytes: -1}
}

// size is the bytes of a segment's file.
func size(t testing.TB, fs vfs.FS, generation uint64) int64 {
	t.Helper()
	st, err := fs.Stat("log/" + segmentName(generation))
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

// keptUp appends an entry of 1000 bytes and waits until zeros are written for what was appended since the next segment is there, of which before
// says how much the log had written; it does so no longer once that failed.
func keptUp(t testing.TB, l *Log, id int64, before *int64, failed func() bool) bk.Code {
	t.Helper()
	generation := l.reg.last().generation
	code := appendAll(l, entry(1, id, 1000))[0]
	ready := func() bool {
		l.reg.mu.RLock()
		defer l.reg.mu.RUnlock()
		return l.reg.next != nil
	}
	if l.reg.last().generation != generation {
		*before = 0
	}
	if l.reg.last().end.Load() > l.o.SegmentBytes/soon {
		await(t, l, "preparing", func() bool { return ready() || failed() })
	}
	if !ready() {
		return code
	}
	if *before == 0 {
		*before = l.metrics.bytes.Load()
	}
	step := int64(len(l.ahead.zeros))
	await(t, l, "writing ahead", func() bool {
		m := l.Metrics()
		return failed() || m.AheadBytes >= min(l.o.SegmentBytes-groupsAt, m.WrittenBytes-*before-2*step)
	})
	return code
}

// TestNextSegmentIsWrittenAhead: once something is in the first segment, the next one comes to its full size before anything is stored in it, and
// the log goes on there at once, since the first was not written ahead. What lies there is read in this life and the next.
func TestNextSegmentIsWrittenAhead(t *testing.T) {
	fs := vfs.NewMem()
	l := open(t, fs, medium())
	mustAppend(t, l, key(1))
	fill(t, l, []int64{1}, 0, 20, 1000)
	if m := l.Metrics(); m.AheadBytes != 0 || m.OpenSegments != 1 {
		t.Fatalf("%+v", m)
	}
	last := int64(19)
	for before := int64(0); l.reg.last().generation == 1; {
		last++
		if c := keptUp(t, l, last, &before, func() bool { return false }); c != bk.OK {
			t.Fatal(c)
		}
	}
	if m := l.Metrics(); m.AheadBytes != l.o.SegmentBytes-groupsAt {
		t.Errorf("%d bytes are written ahead of %d", m.AheadBytes, l.o.SegmentBytes-groupsAt)
	}
	if first, second := size(t, fs, 1), size(t, fs, 2); first >= l.o.SegmentBytes || second != l.o.SegmentBytes {
		t.Errorf("the first segment has %d bytes, the second %d", first, second)
	}
	fill(t, l, []int64{1}, last+1, 600, 1000)
	last += 600
	checkEntries(t, l, 1, 0, last, 1000)
	if l.Metrics().OpenSegments+l.Metrics().SealedSegments < 4 {
		t.Errorf("%+v", l.Metrics())
	}
	closeLog(t, l)
	l = open(t, fs, medium())
	checkEntries(t, l, 1, 0, last, 1000)
	fill(t, l, []int64{1}, last+1, 600, 1000)
	checkEntries(t, l, 1, 0, last+600, 1000)
}

// TestRecycledSegmentsAreNotWrittenAhead: they have what writing ahead is for.
func TestRecycledSegmentsAreNotWrittenAhead(t *testing.T) {
	l := open(t, vfs.NewMem(), medium())
	for id := int64(1); l.Metrics().Recycled < 3; id++ {
		mustAppend(t, l, key(id))
		fill(t, l, []int64{id}, 0, 200, 1000)
		mustAppend(t, l, remove(id))
	}
	before := l.Metrics()
	for id := int64(1000); l.Metrics().Recycled < before.Recycled+4; id++ {
		mustAppend(t, l, key(id))
		fill(t, l, []int64{id}, 0, 200, 1000)
		mustAppend(t, l, remove(id))
		await(t, l, "freeing", func() bool { m := l.Metrics(); return m.OpenSegments == 1 && m.SealedSegments <= 1 })
	}
	if m := l.Metrics(); m.AheadBytes > before.AheadBytes+l.o.SegmentBytes {
		t.Errorf("%d bytes were written ahead while files went round", m.AheadBytes-before.AheadBytes)
	}
}

// TestNotWrittenAhead: where commits are large, and where the disk is nearly full.
func TestNotWrittenAhead(t *testing.T) {
	t.Run("large commits", func(t *testing.T) {
		l := open(t, vfs.NewMem(), Options{SegmentBytes: 16 << 20, ReserveBytes: -1})
		mustAppend(t, l, key(1))
		fill(t, l, []int64{1}, 0, 30, 3<<20)
		if m := l.Metrics(); m.AheadBytes != 0 || m.OpenSegments+m.SealedSegments < 5 {
			t.Errorf("%+v", m)
		}
	})
	t.Run("little space", func(t *testing.T) {
		fs := vfs.NewMem()
		fs.SetCapacity(1 << 20)
		l := open(t, fs, medium())
		mustAppend(t, l, key(1))
		fill(t, l, []int64{1}, 0, 600, 1000)
		if m := l.Metrics(); m.AheadBytes != 0 {
			t.Errorf("%+v", m)
		}
		checkEntries(t, l, 1, 0, 599, 1000)
	})
}

// TestWritingAheadFails: an error of the device in the next segment stops the log, a full disk there does not, and neither takes
// anything that was acknowledged.
func TestWritingAheadFails(t *testing.T) {
	for _, f := range []*vfs.Fault{
		{Op: vfs.OpWrite, Name: segmentName(2), Skip: 2, Count: 1, Err: syscall.EIO},
		{Op: vfs.OpSync, Name: segmentName(2), Skip: 2, Count: 1, Err: syscall.EIO},
		{Op: vfs.OpWrite, Name: segmentName(2), Skip: 2, Count: 1, Err: syscall.ENOSPC},
	} {
		t.Run(fmt.Sprint(f.Op, f.Err), func(t *testing.T) {
			fs := vfs.NewMem()
			fs.Inject(f)
			l := open(t, fs, medium())
			mustAppend(t, l, key(1))
			acked := int64(-1)
			stopped := false
			before := int64(0)
			for e := int64(0); e < 600 && !stopped; e++ {
				switch c := keptUp(t, l, e, &before, func() bool { return fs.Hits(f) > 0 }); c {
				case bk.OK:
					acked = e
				case bk.ErrIO:
					stopped = true
				default:
					t.Fatal(c)
				}
			}
			if full := f.Err == syscall.ENOSPC; stopped == full {
				t.Errorf("stopped: %v; %v", stopped, l.ReadOnly())
			}
			if stopped && !strings.Contains(l.ReadOnly().Error(), "write ahead") {
				t.Error(l.ReadOnly())
			}
			if _, err := l.Read(1, acked, acked, 1); err != nil {
				t.Error(err)
			}
			_ = l.Close()
			fs.Heal()
			l = open(t, fs, medium())
			checkEntries(t, l, 1, 0, acked, 1000)
			fill(t, l, []int64{1}, acked+1, 600, 1000)
			checkEntries(t, l, 1, 0, acked+600, 1000)
		})
	}
}

// TestFirstSegmentsAreSmall: each is twice as large as the one before, up to the size that was asked for. A record that is larger than one of them
// is stored all the same.
func TestFirstSegmentsAreSmall(t *testing.T) {
	fs := vfs.NewMem()
	fs.SetCapacity(128 << 20) // too little to write ahead, so that none is left early
	l := open(t, fs, Options{SegmentBytes: 32 << 20})
	mustAppend(t, l, key(1))
	fill(t, l, []int64{1}, 0, 70, 1<<20)
	for generation, full := range map[uint64]int64{1: 8 << 20, 2: 16 << 20, 3: 32 << 20} {
		if n := size(t, fs, generation); n < full-2<<20 || n > full+1<<20 {
			t.Errorf("segment %d has %d bytes", generation, n)
		}
	}
	checkEntries(t, l, 1, 0, 69, 1<<20)

	l = open(t, vfs.NewMem(), Options{})
	mustAppend(t, l, key(1), entry(1, 0, 10<<20), entry(1, 1, 10<<20))
	mustAppend(t, l, entry(1, 2, 20<<20))
	checkEntries(t, l, 1, 0, 1, 10<<20)
	checkEntries(t, l, 1, 2, 2, 20<<20)
}

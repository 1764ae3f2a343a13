package segment

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/vfs"
	"github.com/strobemq/strobe/storage/vfs/pebblefs"
)

func wantFault(t testing.TB, err error, want *fault.Fault) {
	t.Helper()
	if !fault.Has(err, want) {
		t.Fatalf("got %v, want %s", err, want.Code)
	}
}

func TestFailedSyncIsSticky(t *testing.T) {
	fs := vfs.NewMem()
	l := open(t, fs, Options{})
	mustAppend(t, l, key(1), entry(1, 0, 100))
	fs.Inject(&vfs.Fault{Op: vfs.OpSync, Name: "*.seg", Count: 1, Err: syscall.EIO})
	if c := appendAll(l, entry(1, 1, 100)); c[0] != bk.ErrIO {
		t.Fatal(c)
	}
	// The device answers again, which proves nothing.
	for _, r := range []*bk.Record{entry(1, 1, 100), fence(1), remove(1)} {
		if c := appendAll(l, r); c[0] != bk.ErrIO {
			t.Fatal(c)
		}
	}
	wantFault(t, l.ReadOnly(), fault.SegmentDeviceFailed)
	checkEntries(t, l, 1, 0, 0, 100)
	_, err := l.Read(1, 1, 1, 100)
	wantCode(t, err, bk.ErrNoEntry)
	await(t, l, "the failure's file", func() bool { _, err := fs.Stat("log/failed"); return err == nil })
	closeLog(t, l)

	// The kernel still shows the bytes whose sync failed. They are not served, and what is written now does not lie behind them.
	l = open(t, fs, Options{})
	if l.ReadOnly() != nil || l.Limbo() != nil {
		t.Fatal(l.ReadOnly(), l.Limbo())
	}
	_, err = l.Read(1, 1, 1, 100)
	wantCode(t, err, bk.ErrNoEntry)
	mustAppend(t, l, entry(1, 1, 200))
	checkEntries(t, l, 1, 1, 1, 200)
	await(t, l, "forgetting the failure", func() bool { _, err := fs.Stat("log/failed"); return err != nil })
	l = open(t, fs.CrashClone(vfs.Crash{}), Options{})
	checkEntries(t, l, 1, 0, 0, 100)
	checkEntries(t, l, 1, 1, 1, 200)
}

// Nobody could note that a sync failed. What the next start shows must stay all the same.
func TestWhatAStartShowsIsDurable(t *testing.T) {
	fs := vfs.NewMem()
	l := open(t, fs, Options{})
	mustAppend(t, l, entry(1, 0, 100))
	fs.Inject(&vfs.Fault{Op: vfs.OpSync, Name: "*.seg", Count: 1, Err: syscall.EIO})
	fs.Inject(&vfs.Fault{Op: vfs.OpCreate, Name: "failed*", Err: syscall.EIO})
	if c := appendAll(l, entry(1, 1, 100), entry(1, 2, 9000)); c[0] != bk.ErrIO || c[1] != bk.ErrIO {
		t.Fatal(c)
	}
	closeLog(t, l)
	fs.Heal()
	l = open(t, fs, Options{})
	last, err := l.LastEntry(1)
	if err != nil {
		t.Fatal(err)
	}
	l = open(t, fs.CrashClone(vfs.Crash{}), Options{})
	if have, err := l.LastEntry(1); err != nil || have != last {
		t.Fatalf("last entry %d, %v; before the power cut %d", have, err, last)
	}
}

// A segment that cannot be made for want of space leaves no gap: with no table yet it would look like a loss.
func TestFullDiskLeavesNoGap(t *testing.T) {
	fs := vfs.NewMem()
	l := open(t, fs, small())
	hang := make(chan struct{})
	fs.Inject(&vfs.Fault{Op: vfs.OpCreate, Name: "MANIFEST-*", Hang: hang}) // no table meanwhile
	fs.Inject(&vfs.Fault{Op: vfs.OpWrite, Name: segmentName(2), Count: 3, Err: syscall.ENOSPC})
	mustAppend(t, l, key(1))
	e := int64(0)
	await(t, l, "the second segment", func() bool {
		if c := appendAll(l, entry(1, e, 1000)); c[0] == bk.OK {
			e++
		}
		return e > 80
	})
	clone := fs.CrashClone(vfs.Crash{})
	close(hang)
	l = open(t, clone, small())
	if l.Limbo() != nil {
		t.Fatal(l.Limbo())
	}
	checkEntries(t, l, 1, 0, e-1, 1000)
}

// A list of entries does not fit any more; the fence behind them does.
func TestFenceFitsWhereEntriesDoNot(t *testing.T) {
	fs := vfs.NewMem()
	l := open(t, fs, Options{ReserveBytes: -1})
	mustAppend(t, l, key(1))
	fs.SetCapacity(fs.Used() + 4096)
	hang := make(chan struct{})
	sync := &vfs.Fault{Op: vfs.OpSync, Name: "*.seg", Count: 1, Hang: hang}
	fs.Inject(sync)
	w := newWaiter()
	for i, r := range []*bk.Record{lac(1, 0), entry(1, 0, 9000), fence(1)} {
		r.Done = w
		l.Append([]*bk.Record{r})
		for i == 0 && fs.Hits(sync) == 0 {
			gosched() // the others are one group
		}
	}
	close(hang)
	if c := w.wait(3); c[0].Err != bk.OK || c[1].Err != bk.ErrReadOnly || c[2].Err != bk.OK {
		t.Fatal(c[0].Err, c[1].Err, c[2].Err)
	}
	if st, err := l.Ledger(1); err != nil || !st.Fenced {
		t.Fatal(st, err)
	}
}

func TestFailedWriteIsSticky(t *testing.T) {
	fs := vfs.NewMem()
	l := open(t, fs, Options{})
	mustAppend(t, l, entry(1, 0, 100))
	fs.Inject(&vfs.Fault{Op: vfs.OpWrite, Name: "*.seg", Count: 1, Err: syscall.EIO, Short: true})
	if c := appendAll(l, entry(1, 1, 100), entry(1, 2, 100)); c[0] != bk.ErrIO || c[1] != bk.ErrIO {
		t.Fatal(c)
	}
	wantFault(t, l.ReadOnly(), fault.SegmentDeviceFailed)
	closeLog(t, l)
	l = open(t, fs, Options{})
	checkEntries(t, l, 1, 0, 0, 100)
	_, err := l.Read(1, 1, 1, 100)
	wantCode(t, err, bk.ErrNoEntry)
}

func TestReadErrorIsNotDamage(t *testing.T) {
	fs := vfs.NewMem()
	l := open(t, fs, Options{})
	mustAppend(t, l, entry(1, 0, 100))
	fs.Inject(&vfs.Fault{Op: vfs.OpRead, Count: 1, Err: syscall.EIO})
	_, err := l.Read(1, 0, 0, 100)
	wantCode(t, err, bk.ErrIO)
	fs.Inject(&vfs.Fault{Op: vfs.OpRead, Count: 1, Short: true})
	_, err = l.Read(1, 0, 0, 100)
	wantCode(t, err, bk.ErrIO)
	if l.ReadOnly() != nil {
		t.Fatal(l.ReadOnly())
	}
	checkEntries(t, l, 1, 0, 0, 100)
}

func TestQueueIsBoundedWhileTheDeviceHangs(t *testing.T) {
	fs := vfs.NewMem()
	l := open(t, fs, Options{QueueBytes: 10_000})
	hang := make(chan struct{})
	fs.Inject(&vfs.Fault{Op: vfs.OpSync, Name: "*.seg", Count: 1, Hang: hang})
	w := newWaiter()
	var all []*bk.Record
	for e := range int64(30) {
		r := entry(1, e, 968)
		r.Done = w
		all = append(all, r)
		l.Append([]*bk.Record{r})
	}
	f := fence(1)
	f.Done = w
	l.Append([]*bk.Record{f})
	if m := l.Metrics(); m.QueueBytes > 11_000 {
		t.Fatalf("%+v", m)
	}
	close(hang)
	for i, r := range w.wait(31) {
		want := bk.OK
		if i >= 10 && i < 30 {
			want = bk.ErrTooMany
		}
		if r.Err != want || i < 30 && r != all[i] {
			t.Fatalf("record %d: %v", i, r.Err)
		}
	}
	checkEntries(t, l, 1, 0, 9, 968)
	if m := l.Metrics(); m.QueueBytes != 0 {
		t.Fatalf("%+v", m)
	}
}

func TestFullDiskIsRefusedAndRecoveredFrom(t *testing.T) {
	fs := vfs.NewMem()
	o := small()
	o.ReserveBytes = 400 << 10
	fs.SetCapacity(3 << 20)
	l := open(t, fs, o)
	mustAppend(t, l, key(1), key(2))
	n := fillUntil(t, l, 1, 0, bk.ErrReadOnly)
	wantFault(t, l.ReadOnly(), fault.SegmentDiskFull)
	checkEntries(t, l, 1, 0, n-1, 1000)
	// Fences and deletes, and the tables behind them, live on the reserve.
	mustAppend(t, l, fence(1), key(3), fence(3))
	if st, err := l.Ledger(1); err != nil || !st.Fenced {
		t.Fatal(st, err)
	}
	if c := appendAll(l, entry(2, 0, 1000)); c[0] != bk.ErrReadOnly {
		t.Fatal(c)
	}
	mustAppend(t, l, remove(1))
	await(t, l, "recovery", func() bool { return l.ReadOnly() == nil })
	fill(t, l, []int64{2}, 0, 1000, 1000)
	checkEntries(t, l, 2, 0, 999, 1000)
	l = open(t, fs.CrashClone(vfs.Crash{}), o)
	checkEntries(t, l, 2, 0, 999, 1000)
	if st, err := l.Ledger(3); err != nil || !st.Fenced {
		t.Fatal(st, err)
	}
}

// Somebody else fills the disk to the last byte: the file that holds the reserve is given up.
func TestFullDiskByOthers(t *testing.T) {
	fs := vfs.NewMem()
	o := small()
	o.ReserveBytes = 1 << 20
	fs.SetCapacity(64 << 20)
	l := open(t, fs, o)
	mustAppend(t, l, key(1))
	fill(t, l, []int64{1}, 0, 1500, 1000)
	await(t, l, "reserve", func() bool { st, err := fs.Stat("log/reserve"); return err == nil && st.Size() > 0 })
	fs.SetCapacity(fs.Used())
	// How many more still fit depends on how far the keeper has come; what does not fit is refused as a full disk.
	fillUntil(t, l, 1, 1500, bk.ErrReadOnly)
	await(t, l, "giving up the reserve", func() bool { _, err := fs.Stat("log/reserve"); return err != nil })
	if free, err := fs.Free("log"); err != nil || free < o.ReserveBytes/4 {
		t.Fatalf("entries took of the reserve: %d bytes are left, %v", free, err)
	}
	mustAppend(t, l, fence(1), remove(1))
	await(t, l, "recovery", func() bool { return l.ReadOnly() == nil })
	mustAppend(t, l, key(2), entry(2, 0, 1000))
	checkEntries(t, l, 2, 0, 0, 1000)
	if errors.Is(l.ReadOnly(), bk.ErrIO) {
		t.Fatal(l.ReadOnly())
	}
}

// Somebody else fills the disk when there is room in the file that is written to, and no next one: what making one gives up of the reserve is not for
// entries.
func TestReserveIsNotForEntries(t *testing.T) {
	fs := vfs.NewMem()
	o := medium()
	o.ReserveBytes = 1 << 20
	fs.SetCapacity(64 << 20)
	l := open(t, fs, o)
	mustAppend(t, l, key(1))
	e := int64(0)
	for begun := false; !begun || !l.ballast.Load(); e++ {
		mustAppend(t, l, entry(1, e, 1000))
		l.reg.mu.RLock()
		s, next := l.reg.open[len(l.reg.open)-1], l.reg.next
		l.reg.mu.RUnlock()
		begun = next == nil && s.disk == o.SegmentBytes && s.end.Load() < o.SegmentBytes/soon-4000
		if e > 100_000 {
			t.Fatal("no segment was written ahead")
		}
	}
	fs.SetCapacity(fs.Used())
	e = fillUntil(t, l, 1, e, bk.ErrReadOnly)
	if free, err := fs.Free("log"); err != nil || free < o.ReserveBytes/4 {
		t.Fatalf("entries took of the reserve: %d bytes are left, %v", free, err)
	}
	checkEntries(t, l, 1, 0, e-1, 1000)
	mustAppend(t, l, fence(1), remove(1))
	await(t, l, "recovery", func() bool { return l.ReadOnly() == nil })
}

// A full disk when the next segment is a file that was used before, and shorter than it may become: until the table is flushed, its header is
// all that tells of the death of the segment it was, so it stays.
func TestFullDiskKeepsWhatTellsOfADeath(t *testing.T) {
	fs := vfs.NewMem()
	o := Options{SegmentBytes: 4 << 20, ReserveBytes: -1}
	fs.SetCapacity(4 * o.SegmentBytes) // too little to write ahead, so that no file is as long as it may become
	l := open(t, fs, o)
	mustAppend(t, l, key(1))
	fill(t, l, []int64{1}, 0, 6, 3<<19) // two in a segment
	mustAppend(t, l, key(2), entry(2, 0, 900<<10))
	await(t, l, "preparing", func() bool { return !l.wantNext.Load() && l.reg.upcoming() != nil })
	mustAppend(t, l, entry(2, 1, 300<<10)) // begins a segment, and is too little to ask for the next one
	await(t, l, "sealing", func() bool { return l.Metrics().OpenSegments == 1 })
	if l.reg.upcoming() != nil {
		t.Fatal("there is a next segment already")
	}
	mustAppend(t, l, remove(1))
	await(t, l, "freeing", func() bool { return l.Metrics().PoolSegments == 2 })
	mustAppend(t, l, entry(2, 2, 3<<19))
	await(t, l, "recycling", func() bool {
		l.preparing.Lock()
		defer l.preparing.Unlock()
		s := l.reg.upcoming()
		return s != nil && s.recycled > 0 && s.disk < o.SegmentBytes
	})
	l.diskFull(syscall.ENOSPC)
	await(t, l, "a look at the files", func() bool { return l.full() == nil })
	closeLog(t, l)
	l = open(t, fs, o)
	if l.Limbo() != nil {
		t.Fatal(l.Limbo())
	}
	checkEntries(t, l, 2, 0, 0, 900<<10)
	checkEntries(t, l, 2, 2, 2, 3<<19)
}

// While the table finds no space, it tries again from time to time. The keeper's hint to try and the answer that it was in vain
// once called for each other without a pause.
func TestFullDiskIsTriedNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		o := small()
		o.ReserveBytes = -1
		l := open(t, fs, o)
		mustAppend(t, l, key(1))
		full := &vfs.Fault{Op: vfs.OpWrite, Name: "*.sst", Err: syscall.ENOSPC}
		fs.Inject(full)
		fs.SetHook(func(vfs.Op, string) {
			if fs.Hits(full) > 1000 {
				fs.Heal() // or this would never end
			}
		})
		for e := int64(0); l.ReadOnly() == nil && e < 5000; e++ {
			appendAll(l, entry(1, e, 1000))
			time.Sleep(time.Millisecond)
		}
		wantFault(t, l.ReadOnly(), fault.SegmentDiskFull)
		time.Sleep(10 * time.Second)
		if n := fs.Hits(full); n < 5 || n > 100 {
			t.Errorf("tried %d times in 10 s", n)
		}
		fs.Heal()
		time.Sleep(5 * time.Second)
		if err := l.ReadOnly(); err != nil {
			t.Error(err)
		}
		closeLog(t, l)
	})
}

func TestUnknownFormatIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	l := open(t, fs, Options{})
	mustAppend(t, l, entry(1, 0, 100))
	closeLog(t, l)
	h := header{generation: 1, id: l.id}.encode()
	h[8] = 99
	rehash(h)
	f, err := fs.Open("log/" + segmentName(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(h, 0); err != nil {
		t.Fatal(err)
	}
	_, err = Open("log", Options{FS: fs})
	wantFault(t, err, fault.SegmentUnknownFormat)
}

func TestDirectoryInUse(t *testing.T) {
	fs := vfs.NewMem()
	l := open(t, fs, Options{})
	_, err := Open("log", Options{FS: fs})
	wantFault(t, err, fault.SegmentDirectoryInUse)
	closeLog(t, l)
	closeLog(t, open(t, fs, Options{}))
}

func TestForeignSegmentIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	closeLog(t, open(t, fs, Options{}))
	f, err := fs.Create("log/" + segmentName(2))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(header{generation: 2, id: logID{1}}.encode(), 0); err != nil {
		t.Fatal(err)
	}
	_, err = Open("log", Options{FS: fs})
	wantFault(t, err, fault.SegmentForeignFile)
}

// sealedLog is a log with sealed segments, closed again.
func sealedLog(t *testing.T) *vfs.Mem {
	t.Helper()
	fs := vfs.NewMem()
	l := open(t, fs, small())
	mustAppend(t, l, key(1), fence(2))
	fill(t, l, []int64{1}, 0, 200, 1000)
	await(t, l, "sealing", func() bool { return l.Metrics().OpenSegments == 1 })
	closeLog(t, l)
	return fs
}

func TestUnknownTableIsRefused(t *testing.T) {
	fs := sealedLog(t)
	db, err := pebble.Open("log/table", &pebble.Options{FS: pebblefs.New(fs), Logger: quiet{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Set([]byte{keyVersion}, make([]byte, 18), pebble.Sync), db.Close()); err != nil {
		t.Fatal(err)
	}
	_, err = Open("log", Options{FS: fs})
	wantFault(t, err, fault.SegmentUnknownFormat)
}

func TestDamagedTableIsRebuilt(t *testing.T) {
	for _, pattern := range []string{"MANIFEST-*", "*.sst", "marker.manifest.*"} {
		fs := sealedLog(t)
		names, err := fs.List("log/table")
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			if ok, _ := filepath.Match(pattern, n); !ok {
				continue
			}
			f, err := fs.Create("log/table/" + n)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteAt([]byte("this is not what stood here, and it is long enough to be read"), 0); err != nil {
				t.Fatal(err)
			}
		}
		l := open(t, fs, small())
		checkEntries(t, l, 1, 0, 199, 1000)
		if st, err := l.Ledger(2); err != nil || !st.Fenced {
			t.Fatal(pattern, st, err)
		}
		closeLog(t, l)
	}
}

// A device that fails is no reason to throw the table away.
func TestUnreadableTableIsKept(t *testing.T) {
	fs := sealedLog(t)
	fs.Inject(&vfs.Fault{Op: vfs.OpRead, Name: "*.sst", Err: syscall.EIO})
	fs.Inject(&vfs.Fault{Op: vfs.OpRead, Name: "MANIFEST-*", Err: syscall.EIO})
	_, err := Open("log", Options{FS: fs})
	wantFault(t, err, fault.SegmentUnusable)
	fs.Heal()
	l := open(t, fs, small())
	checkEntries(t, l, 1, 0, 199, 1000)
}

// quiet is a Pebble logger for tests.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(string, ...any) {}

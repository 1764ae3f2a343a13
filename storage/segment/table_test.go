package segment

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/vfs"
)

// tableFaults is where the disk can refuse a flush of the table.
var tableFaults = []vfs.Fault{
	{Op: vfs.OpCreate, Name: "*.sst"}, {Op: vfs.OpWrite, Name: "*.sst"}, {Op: vfs.OpSync, Name: "*.sst"},
	{Op: vfs.OpWrite, Name: "MANIFEST-*"}, {Op: vfs.OpSync, Name: "MANIFEST-*"}, {Op: vfs.OpSyncDir, Name: "table"},
}

// forTableFaults runs a test for each of them on a log whose table has been made.
func forTableFaults(t *testing.T, err error, ops func(vfs.Op) bool, test func(t *testing.T, fs *vfs.Mem, l *Log, f *vfs.Fault)) {
	for _, f := range tableFaults {
		if !ops(f.Op) {
			continue
		}
		t.Run(fmt.Sprintf("%s-%d", f.Name, f.Op), func(t *testing.T) {
			fs := vfs.NewMem()
			l := open(t, fs, small())
			mustAppend(t, l, key(1), key(2), fence(2))
			fill(t, l, []int64{1}, 0, 200, 1000)
			await(t, l, "sealing", func() bool { return l.Metrics().OpenSegments == 1 })
			f.Err = err
			fs.Inject(&f)
			test(t, fs, l, &f)
		})
	}
}

func TestTableWaitsForSpace(t *testing.T) {
	writes := func(op vfs.Op) bool { return op == vfs.OpCreate || op == vfs.OpWrite }
	forTableFaults(t, syscall.ENOSPC, writes, func(t *testing.T, fs *vfs.Mem, l *Log, f *vfs.Fault) {
		n := fillUntil(t, l, 1, 200, bk.ErrReadOnly)
		wantFault(t, l.ReadOnly(), fault.SegmentDiskFull)
		checkEntries(t, l, 1, 0, n-1, 1000)
		mustAppend(t, l, key(3), fence(3))
		fs.Heal()
		await(t, l, "sealing", func() bool { return l.Metrics().OpenSegments == 1 && l.ReadOnly() == nil })
		fill(t, l, []int64{1}, n, 100, 1000)
		l = open(t, fs.CrashClone(vfs.Crash{}), small())
		checkEntries(t, l, 1, 0, n+99, 1000)
		if st, err := l.Ledger(3); err != nil || !st.Fenced || l.Limbo() != nil {
			t.Fatal(st, err, l.Limbo())
		}
	})
}

// Somebody closes the log while its table waits: that ends, and the next start finds everything.
func TestCloseWhileTheTableWaits(t *testing.T) {
	writes := func(op vfs.Op) bool { return op == vfs.OpCreate || op == vfs.OpWrite }
	forTableFaults(t, syscall.ENOSPC, writes, func(t *testing.T, fs *vfs.Mem, l *Log, f *vfs.Fault) {
		n := fillUntil(t, l, 1, 200, bk.ErrReadOnly)
		closeLog(t, l)
		fs.Heal()
		l = open(t, fs, small())
		checkEntries(t, l, 1, 0, n-1, 1000)
		await(t, l, "sealing", func() bool { return l.Metrics().OpenSegments == 1 })
		if st, err := l.Ledger(2); err != nil || !st.Fenced || l.Limbo() != nil {
			t.Fatal(st, err, l.Limbo())
		}
	})
}

// A device that refuses the table stops the log; what is there is read, and Close comes back.
func TestTableDeviceFails(t *testing.T) {
	all := func(vfs.Op) bool { return true }
	forTableFaults(t, syscall.EIO, all, func(t *testing.T, fs *vfs.Mem, l *Log, f *vfs.Fault) {
		n := fillUntil(t, l, 1, 200, bk.ErrIO)
		wantFault(t, l.ReadOnly(), fault.SegmentDeviceFailed)
		checkEntries(t, l, 1, 0, n-1, 1000)
		closeLog(t, l)
		// A flush and a compaction may be on their way; nothing is tried again.
		if n := fs.Hits(f); n > 2 {
			t.Fatalf("%d tries on a device that failed", n)
		}
		fs.Heal()
		l = open(t, fs, small())
		checkEntries(t, l, 1, 0, n-1, 1000)
		if st, err := l.Ledger(2); err != nil || !st.Fenced || l.Limbo() != nil {
			t.Fatal(st, err, l.Limbo())
		}
	})
}

// The first table is made when the disk is full: that is tried again.
func TestTableIsMadeOnceThereIsSpace(t *testing.T) {
	for _, f := range tableFaults {
		if f.Op == vfs.OpSync || f.Op == vfs.OpSyncDir {
			continue // a failed sync is not waited out
		}
		fs := vfs.NewMem()
		l := open(t, fs, small())
		f.Err, f.Count = syscall.ENOSPC, 2
		fs.Inject(&f)
		mustAppend(t, l, key(1))
		e := int64(0)
		await(t, l, "sealing", func() bool {
			if c := appendAll(l, entry(1, e, 1000)); c[0] == bk.OK {
				e++
			} else if c[0] != bk.ErrReadOnly {
				t.Fatal(c)
			}
			return l.Metrics().SealedSegments > 0
		})
		if fs.Hits(&f) != 2 {
			t.Fatalf("%+v was met %d times", f, fs.Hits(&f))
		}
		checkEntries(t, l, 1, 0, e-1, 1000)
	}
}

// Open says what is wrong instead of waiting for it to pass.
func TestOpenDoesNotWait(t *testing.T) {
	for _, err := range []error{syscall.ENOSPC, syscall.EIO} {
		for _, f := range tableFaults {
			fs := sealedLog(t)
			names, lerr := fs.List("log/table")
			if lerr != nil {
				t.Fatal(lerr)
			}
			for _, n := range names {
				if rerr := fs.Remove("log/table/" + n); rerr != nil {
					t.Fatal(rerr)
				}
			}
			f.Err = err
			fs.Inject(&f)
			if l, err := Open("log", Options{FS: fs}); err == nil {
				l.Close()
				t.Fatalf("%+v: opened", f)
			}
			fs.Heal()
			l := open(t, fs, small())
			checkEntries(t, l, 1, 0, 199, 1000)
			if l.Limbo() != nil {
				t.Fatal(l.Limbo())
			}
			closeLog(t, l)
		}
	}
}

// TestOpenOnAFullDisk starts a log with ever more bytes left: it opens or says why not, and never waits; with space it opens.
func TestOpenOnAFullDisk(t *testing.T) {
	for left := int64(0); left < 24<<10; left += 500 {
		fs := sealedLog(t).CrashClone(vfs.Crash{})
		fs.SetCapacity(fs.Used() + left)
		if l, err := Open("log", Options{FS: fs, SegmentBytes: 64 << 10, ReserveBytes: -1}); err == nil {
			l.Close()
		}
		fs.SetCapacity(0)
		l := open(t, fs.CrashClone(vfs.Crash{}), small())
		checkEntries(t, l, 1, 0, 199, 1000)
		if st, err := l.Ledger(2); err != nil || !st.Fenced {
			t.Errorf("%d bytes left: %+v, %v", left, st, err)
		}
		closeLog(t, l)
	}
}

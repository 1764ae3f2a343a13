package segment

import (
	"testing"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/vfs"
)

// small is a log whose segments are full soon.
func small() Options {
	return Options{SegmentBytes: 64 << 10, indexBytes: 16 << 10, ReserveBytes: -1}
}

// await waits for the keeper to bring something about. It is kicked meanwhile, as a busy log would.
func await(t testing.TB, l *Log, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); gosched() {
		if done() {
			return
		}
		l.kick()
	}
	t.Fatalf("%s did not happen: %+v", what, l.Metrics())
}

// fill appends n entries of size bytes to each ledger, one list for each entry id.
func fill(t testing.TB, l *Log, ledgers []int64, from, n int64, size int) {
	t.Helper()
	for e := from; e < from+n; e++ {
		var rs []*bk.Record
		for _, id := range ledgers {
			rs = append(rs, entry(id, e, size))
		}
		mustAppend(t, l, rs...)
	}
}

// fillUntil appends entries to a ledger, beginning at from, until one is refused, which must happen, and returns that one.
func fillUntil(t *testing.T, l *Log, ledger, from int64, want bk.Code) int64 {
	t.Helper()
	for e := from; e < from+100_000; e++ {
		switch c := appendAll(l, entry(ledger, e, 1000)); c[0] {
		case bk.OK:
		case want:
			return e
		default:
			t.Fatal(e, c)
		}
	}
	t.Fatal("no entry was refused")
	return 0
}

func TestSealedSegmentsAreReadThroughFooters(t *testing.T) {
	fs := vfs.NewMem()
	l := open(t, fs, small())
	ledgers := []int64{3, 4, 5}
	mustAppend(t, l, key(3), key(4), key(5), fence(4))
	fill(t, l, ledgers, 0, 300, 700)
	await(t, l, "sealing", func() bool { return l.Metrics().OpenSegments == 1 })
	if m := l.Metrics(); m.SealedSegments < 8 {
		t.Fatalf("%+v", m)
	}
	check := func(l *Log) {
		t.Helper()
		for _, id := range ledgers {
			checkEntries(t, l, id, 0, 299, 700)
			if last, err := l.LastEntry(id); err != nil || last != 299 {
				t.Fatal(last, err)
			}
			st, err := l.Ledger(id)
			if err != nil || st.Fenced != (id == 4) || string(st.MasterKey) != string(key(id).Head) || st.Limbo {
				t.Fatalf("%+v %v", st, err)
			}
			_, err = l.Read(id, 300, 300, 1)
			wantCode(t, err, bk.ErrNoEntry)
		}
		seen := map[int64]bool{}
		l.Ledgers(func(id int64) bool { seen[id] = true; return true })
		if len(seen) != 3 {
			t.Fatal(seen)
		}
	}
	check(l)
	closeLog(t, l)
	for range 3 {
		l = open(t, fs, small())
		check(l)
		closeLog(t, l)
	}
	// The table can be lost: it is rebuilt from the footers.
	names, err := fs.List("log/table")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if err := fs.Remove("log/table/" + n); err != nil {
			t.Fatal(err)
		}
	}
	l = open(t, fs, small())
	check(l)
	if l.Limbo() != nil {
		t.Fatal(l.Limbo())
	}
}

func TestDeletedLedgersFreeTheirSegments(t *testing.T) {
	fs := vfs.NewMem()
	l := open(t, fs, small())
	mustAppend(t, l, key(1), key(2))
	fill(t, l, []int64{1}, 0, 500, 1000)
	fill(t, l, []int64{2}, 0, 100, 1000)
	await(t, l, "sealing", func() bool { return l.Metrics().OpenSegments == 1 })
	mustAppend(t, l, remove(1))
	await(t, l, "freeing", func() bool { m := l.Metrics(); return m.Freed >= 7 && m.PoolSegments == 4 })
	_, err := l.Read(1, 0, 0, 1)
	wantCode(t, err, bk.ErrNoLedger)
	checkEntries(t, l, 2, 0, 99, 1000)
	used := fs.Used()
	// From now on files go round: the disk does not grow.
	for id := int64(10); id < 30; id++ {
		mustAppend(t, l, key(id))
		fill(t, l, []int64{id}, 0, 200, 1000)
		mustAppend(t, l, remove(id))
	}
	living, err := l.table.rows(2) // in how many segments that is depends on how soon the first ones were left
	if err != nil {
		t.Fatal(err)
	}
	await(t, l, "freeing", func() bool {
		m := l.Metrics()
		return m.OpenSegments == 1 && m.SealedSegments <= len(living)+1 && m.PoolSegments <= 4
	})
	if m := l.Metrics(); m.Recycled < 3 {
		t.Fatalf("%+v", m)
	}
	if now := fs.Used(); now > used+300<<10 {
		t.Fatalf("%d bytes grew to %d", used, now)
	}
	checkEntries(t, l, 2, 0, 99, 1000)
	closeLog(t, l)
	l = open(t, fs, small())
	checkEntries(t, l, 2, 0, 99, 1000)
	_, err = l.Read(1, 0, 0, 1)
	wantCode(t, err, bk.ErrNoLedger)
	_, err = l.Ledger(15)
	wantCode(t, err, bk.ErrNoLedger)
	if l.Limbo() != nil {
		t.Fatal(l.Limbo())
	}
}

func TestSurvivorsAreAppendedAgain(t *testing.T) {
	fs := vfs.NewMem()
	l := open(t, fs, small())
	mustAppend(t, l, key(1), key(9), fence(9))
	// Ledger 9 is a trickle: one entry for every ten of ledger 1.
	for e := range int64(600) {
		mustAppend(t, l, entry(1, e, 1000))
		if e%10 == 0 {
			mustAppend(t, l, entry(9, e/10, 300))
		}
	}
	await(t, l, "sealing", func() bool { return l.Metrics().OpenSegments == 1 })
	mustAppend(t, l, remove(1))
	await(t, l, "copying", func() bool { m := l.Metrics(); return m.SealedSegments <= 1 })
	if m := l.Metrics(); m.Survivors < 50 || m.Freed < 8 {
		t.Fatalf("%+v", m)
	}
	check := func(l *Log) {
		t.Helper()
		checkEntries(t, l, 9, 0, 59, 300)
		st, err := l.Ledger(9)
		if err != nil || !st.Fenced || string(st.MasterKey) != string(key(9).Head) {
			t.Fatalf("%+v %v", st, err)
		}
		_, err = l.Ledger(1)
		wantCode(t, err, bk.ErrNoLedger)
	}
	check(l)
	closeLog(t, l)
	l = open(t, fs, small())
	check(l)
}

// TestOnTheRealFileSystem runs a life on the operating system's files.
func TestOnTheRealFileSystem(t *testing.T) {
	dir := t.TempDir()
	start := func() *Log {
		l, err := Open(dir, small())
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := start()
	mustAppend(t, l, key(1), key(2), key(3))
	for e := int64(0); e < 400; e += 20 {
		var list []*bk.Record
		for i := range int64(20) {
			list = append(list, entry(1, e+i, 2000), entry(2, e+i, 30))
		}
		mustAppend(t, l, append(list, entry(3, e, 9_000))...)
	}
	mustAppend(t, l, remove(1), fence(2))
	await(t, l, "freeing", func() bool { m := l.Metrics(); return m.Freed > 3 && m.OpenSegments == 1 })
	closeLog(t, l)
	for range 2 {
		l = start()
		checkEntries(t, l, 2, 0, 399, 30)
		for e := int64(0); e < 400; e += 20 {
			checkEntries(t, l, 3, e, e, 9_000)
		}
		if st, err := l.Ledger(2); err != nil || !st.Fenced {
			t.Fatal(st, err)
		}
		_, err := l.Read(1, 0, 0, 1)
		wantCode(t, err, bk.ErrNoLedger)
		if m := l.Metrics(); m.DiskFree <= 0 || m.Damaged != 0 || m.ReadOnly {
			t.Fatalf("%+v", m)
		}
		closeLog(t, l)
	}
}

// A ledger's deletion comes twice: from the bookie's watch of the metadata, and from its search for what the metadata no longer knows, which saw the
// ledger before the first took effect. What dies with it was counted twice, and segments in which others lived were freed.
func TestADeletionThatComesTwiceCountsOnce(t *testing.T) {
	l := open(t, vfs.NewMem(), small())
	mustAppend(t, l, key(3), key(4))
	for e := range int64(200) {
		mustAppend(t, l, entry(3, e, 1000), entry(4, e, 700))
	}
	await(t, l, "sealing", func() bool { return l.Metrics().OpenSegments == 1 })
	mustAppend(t, l, remove(3), remove(3))
	// Deletes that lie in a segment are in the table when it is sealed.
	mustAppend(t, l, key(5))
	fill(t, l, []int64{5}, 0, 100, 1000)
	await(t, l, "sealing", func() bool { return l.Metrics().OpenSegments == 1 })
	checkEntries(t, l, 4, 0, 199, 700)
	if n := l.Metrics().Freed; n != 0 {
		t.Errorf("%d segments were freed, ledger 4 lives in each", n)
	}
}

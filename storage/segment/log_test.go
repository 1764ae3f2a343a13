package segment

import (
	"bytes"
	"testing"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/vfs"
)

func TestAppendReadRestart(t *testing.T) {
	fs := vfs.NewMem()
	l := open(t, fs, Options{})
	mustAppend(t, l, key(7))
	for e := range int64(100) {
		mustAppend(t, l, entry(7, e, 100+int(e)*200))
	}
	check := func(l *Log) {
		t.Helper()
		for e := range int64(100) {
			checkEntries(t, l, 7, e, e, 100+int(e)*200)
		}
		last, err := l.LastEntry(7)
		if err != nil || last != 99 {
			t.Fatalf("last entry %d, %v", last, err)
		}
		st, err := l.Ledger(7)
		if err != nil || !bytes.Equal(st.MasterKey, key(7).Head) || st.Fenced {
			t.Fatalf("state %+v, %v", st, err)
		}
	}
	check(l)
	mustAppend(t, l, fence(8), lac(8, 5))
	closeLog(t, l)
	l = open(t, fs, Options{})
	check(l)
	st, err := l.Ledger(8)
	if err != nil || !st.Fenced || !bytes.Equal(st.ExplicitLAC, lac(8, 5).Head) {
		t.Fatalf("state %+v, %v", st, err)
	}
	_, err = l.LastEntry(8)
	wantCode(t, err, bk.ErrNoEntry)
	_, err = l.Read(7, 100, 100, 1)
	wantCode(t, err, bk.ErrNoEntry)
	_, err = l.Read(9, 0, 0, 1)
	wantCode(t, err, bk.ErrNoLedger)
	mustAppend(t, l, remove(7))
	_, err = l.Read(7, 0, 0, 1)
	wantCode(t, err, bk.ErrNoLedger)
}

func TestRollAndRestart(t *testing.T) {
	fs := vfs.NewMem()
	o := Options{SegmentBytes: 64 << 10, indexBytes: 16 << 10}
	l := open(t, fs, o)
	const n, size = 600, 1000
	for e := int64(0); e < n; e += 10 {
		var rs []*bk.Record
		for i := range int64(10) {
			rs = append(rs, entry(1+i%3, e+i, size))
		}
		mustAppend(t, l, rs...)
	}
	check := func(l *Log) {
		t.Helper()
		for e := range int64(n) {
			checkEntries(t, l, 1+(e%10)%3, e, e, size)
		}
	}
	check(l)
	closeLog(t, l)
	l = open(t, fs, o)
	check(l)
	mustAppend(t, l, entry(5, 0, size))
	closeLog(t, l)
	l = open(t, fs, o)
	check(l)
	checkEntries(t, l, 5, 0, 0, size)
}

func TestAppendAfterCloseCompletes(t *testing.T) {
	l := open(t, vfs.NewMem(), Options{})
	closeLog(t, l)
	if c := appendAll(l, entry(1, 0, 10)); c[0] != bk.ErrClosed {
		t.Fatal(c[0])
	}
}

package bookie

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/segment"
	"github.com/strobemq/strobe/storage/vfs"
)

// TestGraveSurvives cuts the power after a fenced ledger was collected: a writer that slept through all of it is still told that it is
// fenced, for a week; then nothing is left of the ledger.
func TestGraveSurvives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeta(t, "instance")
		fs := vfs.NewMem()
		b := openIn(t, "/volume", Options{Meta: m, FS: fs, Segment: segment.Options{SegmentBytes: 1 << 20}})
		l := stored(t, m, b, 1, 2)
		wantLast(t, l, 2, bk.FlagFence, ourKey, 0, bk.OK)
		if err := m.Delete(ctx, bkwire.LedgerPath(2), meta.Any); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := held(b); !slices.Equal(got, []int64{1}) {
			t.Fatalf("after the deletion the bookie holds %v", got)
		}
		clone := fs.CrashClone(vfs.Crash{})
		b.Close()
		again := openIn(t, "/volume", Options{Meta: m, FS: clone, Segment: segment.Options{SegmentBytes: 1 << 20}})
		late := func() string {
			a := newAnswers(t)
			a.add(again.Local(), entry(2, 1))
			a.wait()
			return a.codes()
		}
		if got := late(); got != "1:104 " {
			t.Errorf("a late add to a ledger that was fenced and deleted: %s", got)
		}
		wantLast(t, again.Local(), 2, bk.FlagFence, ourKey, -1, bk.ErrNoLedger)
		time.Sleep(graveFor + 24*time.Hour)
		synctest.Wait()
		again.store.Ledgers(func(id int64) bool {
			if id != 1 {
				t.Errorf("after a week there still is %d", id)
			}
			return true
		})
	})
}

// TestGraveIsNoLedger: nobody writes to a grave, or fences it.
func TestGraveIsNoLedger(t *testing.T) {
	b, _, _ := joined(t, newMeta(t, "instance"), Options{})
	a := newAnswers(t)
	a.add(b.Local(), entry(grave(7), 0))
	a.wait()
	if got := a.codes(); got != "0:100 " {
		t.Errorf("an add to a grave: %s", got)
	}
	wantLast(t, b.Local(), grave(7), bk.FlagFence, ourKey, -1, bk.ErrBadRequest)
}

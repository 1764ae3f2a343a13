package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pglogrepl"

	"github.com/strobemq/strobe/connectors"
)

// kept is a keeper whose saves and reports are written down with the time since its start.
type kept struct {
	*keeper
	log    []string
	refuse error
	failed error
}

func newKept(start position) *kept {
	k := &kept{}
	begin := time.Now()
	note := func(format string, args ...any) {
		k.log = append(k.log, fmt.Sprintf("%v ", time.Since(begin))+fmt.Sprintf(format, args...))
	}
	k.keeper = &keeper{
		tracker: newTracker(start), reportEvery: 10 * time.Second, idleEvery: 30 * time.Second,
		save: func(_ context.Context, p position) error {
			note("save %d/%d", p.lsn, p.row)
			return k.refuse
		},
		report: func(received, confirmed pglogrepl.LSN, ask bool) error {
			note("report received %d confirmed %d ask %v", received, confirmed, ask)
			return nil
		},
		fail: func(err error) { k.failed = err },
	}
	k.start(start)
	return k
}

// hand hands out a batch of n rows that ends at a place in the WAL.
func (k *kept) hand(n int, mark position) connectors.Batch {
	b := k.tracker.batch()
	for range n {
		b.add(connectors.Record{})
	}
	b.mark = mark
	sealed := b.seal()
	k.tracker.handOut(b)
	return sealed
}

func TestKeeperSavesBeforeItConfirms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKept(position{lsn: 100, row: 1})
		synctest.Wait()
		a := k.hand(2, position{lsn: 110, row: 3})
		b := k.hand(1, position{lsn: 120, row: 4})
		b.Ack(t.Context(), nil)
		time.Sleep(5 * time.Second) // nothing may move: a is before b
		a.Ack(t.Context(), []int{1})
		time.Sleep(time.Second)
		a.Ack(t.Context(), []int{0})
		time.Sleep(100 * time.Millisecond)
		for lsn := pglogrepl.LSN(130); lsn < 160; lsn += 10 { // more work within a second is saved once
			k.hand(1, position{lsn: lsn, row: uint64(lsn)}).Ack(t.Context(), nil)
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Second)
		k.stop()
		want := []string{
			"0s report received 100 confirmed 100 ask true",
			"6s save 120/4", "6s report received 120 confirmed 120 ask false",
			"7s save 150/150", "7s report received 150 confirmed 150 ask false",
		}
		if !slices.Equal(k.log, want) {
			t.Errorf("got %q\nwant %q", k.log, want)
		}
	})
}

func TestKeeperReportsWhileNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKept(position{lsn: 100, row: 1})
		synctest.Wait()
		k.hand(1, position{lsn: 110, row: 2}) // the broker takes nothing
		time.Sleep(25 * time.Second)
		k.stop()
		want := []string{"0s report received 100 confirmed 100 ask true", "10s report received 110 confirmed 100 ask true", "20s report received 110 confirmed 100 ask true"}
		if !slices.Equal(k.log, want) {
			t.Errorf("got %q\nwant %q", k.log, want)
		}
	})
}

// Time that passes on an idle source is stored seldom, unless the server wants to know (it is shutting down).
func TestKeeperIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKept(position{lsn: 100, row: 1})
		synctest.Wait()
		k.tracker.pass(position{lsn: 200, row: 1})
		synctest.Wait() // the first is stored at once
		time.Sleep(time.Second)
		k.tracker.pass(position{lsn: 300, row: 1})
		time.Sleep(4 * time.Second)
		k.tracker.pass(position{lsn: 400, row: 1})
		k.tracker.reply()
		time.Sleep(time.Second)
		k.tracker.pass(position{lsn: 500, row: 1})
		time.Sleep(31 * time.Second)
		k.stop()
		var saves []string
		for _, line := range k.log {
			if line[len(line)-1] != 'e' { // not a report
				saves = append(saves, line)
			}
		}
		want := []string{"0s save 200/1", "5s save 400/1", "35s save 500/1"}
		if !slices.Equal(saves, want) {
			t.Errorf("got %q\nwant %q", saves, want)
		}
	})
}

func TestKeeperConfirmsNothingThatWasRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKept(position{lsn: 100, row: 1})
		synctest.Wait()
		k.refuse = errors.New("refused")
		a := k.hand(1, position{lsn: 110, row: 2})
		a.Ack(t.Context(), nil)
		time.Sleep(time.Minute)
		k.stop()
		if err := k.settle(t.Context(), false); err != k.refuse {
			t.Errorf("settling: %v", err)
		}
		want := []string{"0s report received 100 confirmed 100 ask true", "0s save 110/2", "1m0s save 110/2"}
		if !slices.Equal(k.log, want) || k.failed != k.refuse {
			t.Errorf("got %q, failed %v\nwant %q", k.log, k.failed, want)
		}
		k.refuse = nil
		if err := k.settle(t.Context(), false); err != nil || k.saved.lsn != 110 {
			t.Errorf("settling again: %v, saved %v", err, k.saved)
		}
	})
}

func TestAcknowledgementsOutOfTurn(t *testing.T) {
	tr := newTracker(position{lsn: 100, row: 1})
	hand := func(n int) connectors.Batch {
		b := tr.batch()
		for range n {
			b.add(connectors.Record{})
		}
		sealed := b.seal()
		tr.handOut(b)
		return sealed
	}
	a := hand(70)
	for _, c := range []struct {
		done []int
		ok   bool
	}{{[]int{69, 3}, true}, {[]int{3}, false}, {[]int{70}, false}, {[]int{-1}, false}, {nil, false}} {
		if err := a.Ack(t.Context(), c.done); (err == nil) != c.ok {
			t.Errorf("acknowledging %v: %v", c.done, err)
		}
	}
	b := hand(1)
	if err := b.Ack(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if err := b.Ack(t.Context(), nil); err == nil {
		t.Error("a batch was acknowledged twice")
	}
	var rest []int
	for i := range 70 {
		if i != 3 && i != 69 {
			rest = append(rest, i)
		}
	}
	if err := a.Ack(t.Context(), rest); err != nil {
		t.Error(err)
	}
	again := hand(2) // in the memory of one of the others
	if err := b.Ack(t.Context(), nil); err == nil {
		t.Error("an acknowledgement of memory's earlier life counted")
	}
	if err := a.Ack(t.Context(), nil); err == nil {
		t.Error("an acknowledgement of memory's earlier life counted")
	}
	if err := again.Ack(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

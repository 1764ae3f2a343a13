package storagetest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/strobemq/strobe/storage/bk"
)

func ledgersClosed(t *testing.T, l bk.Ledgers) {
	w := create(t, l)
	a := NewAdder(t, w)
	a.Submit([]byte("a"), []byte("b"))
	if _, err := a.Wait(); err != nil {
		t.Fatal(err)
	}
	closeLedger(t, w)
	closeLedger(t, w)
	a.Submit([]byte("late"))
	_, err := a.Wait()
	wantErr(t, "add after close", err, bk.ErrClosed)
	r := reopen(t, l, w.ID(), true)
	wantEntries(t, r, [][]byte{[]byte("a"), []byte("b")})
	ra := NewAdder(t, r)
	ra.Submit([]byte("by a reader"))
	_, err = ra.Wait()
	wantErr(t, "add to a reader", err, bk.ErrLedgerClosed)
}

func ledgersCloseFailsPending(t *testing.T, l bk.Ledgers) {
	for range 20 {
		w := create(t, l)
		a := NewAdder(t, w)
		all := payloads(50)
		for i := range all {
			a.Submit(all[i])
		}
		closeLedger(t, w)
		if n := len(a.done); n != len(all) {
			t.Fatalf("Close returned when %d of %d adds were completed", n, len(all))
		}
		acked, err := a.Wait()
		if err != nil {
			wantErr(t, "what was pending at close", err, bk.ErrClosed)
		}
		wantEntries(t, reopen(t, l, w.ID(), true), all[:acked+1])
	}
}

func ledgersRecoveryFences(t *testing.T, l bk.Ledgers) {
	w := create(t, l)
	a := NewAdder(t, w)
	all := payloads(20)
	a.Submit(all...)
	if _, err := a.Wait(); err != nil {
		t.Fatal(err)
	}
	r := reopen(t, l, w.ID(), true)
	wantEntries(t, r, all)
	a.Submit([]byte("too late"))
	acked, err := a.Wait()
	wantErr(t, "add to a recovered ledger", err, bk.ErrFenced)
	if acked != int64(len(all)-1) {
		t.Errorf("acknowledged up to %d", acked)
	}
	a.Submit([]byte("later still"))
	a.Wait()
	closeLedger(t, w)
	if e, _ := w.LastConfirmed(); e != int64(len(all)-1) {
		t.Errorf("the fenced writer says %d is the last entry, want %d", e, len(all)-1)
	}
	wantEntries(t, reopen(t, l, w.ID(), true), all)
	wantEntries(t, r, all)
}

// ledgersRecoveryRaces recovers a ledger twice at once while its writer goes on: what was acknowledged is there, all
// parties agree on the end, and the fenced writer learns it.
func ledgersRecoveryRaces(t *testing.T, l bk.Ledgers) {
	for round := range 20 {
		w := create(t, l)
		a := NewAdder(t, w)
		var all [][]byte
		for i := range 2000 {
			all = append(all, []byte(fmt.Sprint("entry ", i)))
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := range all {
				a.Submit(all[i])
			}
		})
		a.mu.Lock()
		for a.acked < int64(round) {
			a.changed.Wait()
		}
		a.mu.Unlock()
		var got [2]bk.Ledger
		for i := range got {
			wg.Go(func() {
				r, err := l.Open(context.Background(), w.ID(), true)
				if err != nil {
					t.Errorf("recovery: %v", err)
					return
				}
				got[i] = r
			})
		}
		wg.Wait()
		acked, err := a.Wait()
		if t.Failed() {
			return
		}
		last, _ := got[0].LastConfirmed()
		if other, _ := got[1].LastConfirmed(); other != last {
			t.Fatalf("two recoveries ended at %d and %d", last, other)
		}
		if acked > last {
			t.Fatalf("acknowledged up to %d, recovered up to %d", acked, last)
		}
		if err != nil {
			wantErr(t, "the writer's adds", err, bk.ErrFenced)
		}
		wantEntries(t, got[0], all[:last+1])
		if err != nil {
			closeLedger(t, w)
			if e, _ := w.LastConfirmed(); e != last {
				t.Fatalf("the fenced writer says %d is the last entry, want %d", e, last)
			}
		}
	}
}

func ledgersTail(t *testing.T, l bk.Ledgers) {
	w := create(t, l)
	a := NewAdder(t, w)
	all := payloads(20)
	a.Submit(all...)
	if _, err := a.Wait(); err != nil {
		t.Fatal(err)
	}
	r := reopen(t, l, w.ID(), false)
	lac, _ := r.LastConfirmed()
	if lac >= int64(len(all)) {
		t.Errorf("confirmed up to %d of %d entries", lac, len(all))
	}
	if lac >= 0 {
		got, err := r.Read(context.Background(), lac, lac, 1)
		if err != nil || len(got) != 1 || string(got[0].Payload.B) != string(all[lac]) {
			t.Errorf("read of the last confirmed entry %d: %d entries, %v", lac, len(got), err)
		}
		for _, e := range got {
			e.Payload.Release()
		}
	}
	closeLedger(t, r)
	a.Submit([]byte("the writer goes on"))
	if _, err := a.Wait(); err != nil {
		t.Errorf("an open without recovery stopped the writer: %v", err)
	}
	closeLedger(t, w)
}

func ledgersDelete(t *testing.T, l bk.Ledgers) {
	w := create(t, l)
	closeLedger(t, w)
	for range 2 {
		if err := l.Delete(context.Background(), w.ID()); err != nil {
			t.Errorf("delete: %v", err)
		}
	}
	for _, recover := range []bool{false, true} {
		_, err := l.Open(context.Background(), w.ID(), recover)
		wantErr(t, "open of a deleted ledger", err, bk.ErrNoLedger)
	}
	if again := create(t, l); again.ID() == w.ID() {
		t.Errorf("the id of a deleted ledger is used again: %d", w.ID())
	}
}

func ledgersIDs(t *testing.T, l bk.Ledgers) {
	var mu sync.Mutex
	seen := map[int64]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			last := int64(-1)
			for range 10 {
				w, err := l.Create(context.Background(), LedgerOptions())
				if err != nil {
					t.Errorf("create: %v", err)
					return
				}
				mu.Lock()
				if seen[w.ID()] || w.ID() <= last {
					t.Errorf("id %d is not new, or is below %d", w.ID(), last)
				}
				seen[w.ID()] = true
				mu.Unlock()
				last = w.ID()
			}
		})
	}
	wg.Wait()
}

func ledgersSeveralWriters(t *testing.T, l bk.Ledgers) {
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			w, err := l.Create(context.Background(), LedgerOptions())
			if err != nil {
				t.Errorf("create: %v", err)
				return
			}
			a := NewAdder(t, w)
			var all [][]byte
			for i := range 300 {
				all = append(all, []byte(fmt.Sprintf("writer %d entry %d", n, i)))
				a.Submit(all[i])
			}
			if acked, err := a.Wait(); err != nil || acked != int64(len(all)-1) {
				t.Errorf("acknowledged up to %d, %v", acked, err)
				return
			}
			for i, p := range ReadAll(t, w) {
				if string(p) != string(all[i]) {
					t.Errorf("writer %d entry %d: %q", n, i, p)
				}
			}
		})
	}
	wg.Wait()
}

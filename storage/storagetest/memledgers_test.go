package storagetest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/strobemq/strobe/storage/bk"
)

func TestMemLedgers(t *testing.T) {
	Ledgers(t, func(t *testing.T) bk.Ledgers { return NewMemLedgers(t) })
}

func TestMemLedgersHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemLedgers(t)
		w := create(t, m)
		m.Hold()
		a := NewAdder(t, w)
		a.Submit([]byte("0"), []byte("1"), []byte("2"), []byte("3"))
		synctest.Wait()
		if a.Acked() != bk.NoEntry || m.Pending() != 4 {
			t.Fatalf("held, but acknowledged up to %d, pending %d", a.Acked(), m.Pending())
		}
		m.Step(2)
		synctest.Wait()
		if e, n := w.LastConfirmed(); a.Acked() != 1 || e != 1 || n != 2 {
			t.Fatalf("after two steps acknowledged up to %d, confirmed %d with %d bytes", a.Acked(), e, n)
		}
		m.KeepPending = func(ledger int64, pending int) int { return pending - 1 }
		r := reopen(t, m, w.ID(), true)
		synctest.Wait()
		if e, _ := r.LastConfirmed(); e != 2 {
			t.Errorf("recovered up to %d, want 2", e)
		}
		acked, err := a.Wait()
		wantErr(t, "held adds of a fenced writer", err, bk.ErrFenced)
		if acked != 1 {
			t.Errorf("acknowledged up to %d, want 1", acked)
		}
	})
}

func TestMemLedgersFaults(t *testing.T) {
	m := NewMemLedgers(t)
	w := create(t, m)
	boom := errors.New("boom")
	fail := MemOp{"add", w.ID(), 2}
	inject := func(op MemOp) error {
		if op == fail {
			return boom
		}
		return nil
	}
	m.Before = inject
	a := NewAdder(t, w)
	a.Submit(payloads(5)...)
	acked, err := a.Wait()
	wantErr(t, "the add that fails", err, boom)
	if acked != 1 {
		t.Errorf("acknowledged up to %d, want 1", acked)
	}
	closeLedger(t, w)
	wantEntries(t, reopen(t, m, w.ID(), true), payloads(5)[:2])

	m.Before, m.After = nil, inject
	fail = MemOp{"create", w.ID() + 1, -1}
	_, err = m.Create(context.Background(), LedgerOptions())
	wantErr(t, "create", err, boom)
	if ids := m.IDs(); len(ids) != 2 {
		t.Errorf("ledgers %v, want one that was made without an answer", ids)
	}
}

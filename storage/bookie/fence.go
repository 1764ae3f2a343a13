package bookie

import (
	"context"
	"fmt"

	"github.com/strobemq/strobe/storage/bk"
)

// Fence refuses adds to a ledger from now on, but for recovery's. It returns when the fence is durable, and so is every
// entry that was let through before it: the log completes records in the order they were given to it. A ledger that was
// never seen here is fenced too, so that a late add finds the fence. bk.ErrUnauthorized for another master key.
func (b *Bookie) Fence(ctx context.Context, ledger int64, key [20]byte) error {
	if key == [20]byte{} {
		return fmt.Errorf("fence ledger %d without a master key: %w", ledger, bk.ErrUnauthorized)
	}
	f, err := b.fence(ledger, key)
	if err != nil {
		return fmt.Errorf("fence ledger %d: %w", ledger, err)
	}
	select {
	case <-f.done:
		if f.err != bk.OK {
			return fmt.Errorf("fence ledger %d: %w", ledger, f.err)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fence is the fencing that is under way or done, or a new one.
func (b *Bookie) fence(ledger int64, key [20]byte) (*fence, error) {
	st, err := b.acquire(ledger)
	if err != nil {
		return nil, err
	}
	defer b.release(st)
	switch {
	case isGrave(ledger):
		return nil, bk.ErrBadRequest
	case st.buried:
		return nil, bk.ErrNoLedger
	case st.hasKey && st.key != key:
		return nil, bk.ErrUnauthorized
	case st.fence != nil && !st.fence.failed():
		return st.fence, nil
	}
	var records []*bk.Record
	if r := st.keyRecord(b, key); r != nil {
		records = append(records, r)
	}
	st.fence = &fence{done: make(chan struct{})}
	b.hold(st)
	records = append(records, &bk.Record{Kind: bk.RecordFence, Ledger: ledger, Done: (*fenceDone)(b), Ctx: &fencing{st, st.fence}})
	b.store.Append(records)
	return st.fence, nil
}

func (f *fence) failed() bool {
	select {
	case <-f.done:
		return f.err != bk.OK
	default:
		return false
	}
}

type fencing struct {
	st *ledgerState
	f  *fence
}

// fenceDone learns what became of a fence's record. After a failure the ledger stays fenced in memory, and the next who
// fences tries again.
type fenceDone Bookie

func (d *fenceDone) RecordsDone(done []*bk.Record) {
	for _, r := range done {
		x := r.Ctx.(*fencing)
		x.f.err = r.Err
		close(x.f.done)
		if r.Err == bk.OK {
			(*Bookie)(d).metrics.fences.Add(1)
		}
		(*Bookie)(d).letGo(x.st)
	}
}

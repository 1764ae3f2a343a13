package bookie

import (
	"context"
	"fmt"

	"github.com/strobemq/strobe/storage/bk"
)

// Read returns stored entries r.First to r.Last as far as they lie here without a gap, at least one, at most r.MaxBytes (the
// first whatever its size); the caller releases them. r.First = r.Last = bk.NoEntry asks for the highest entry. With
// bk.FlagFence the ledger is fenced durably before anything is looked at. Absence in a ledger of which entries may have
// been lost is bk.ErrLimbo.
func (b *Bookie) Read(ctx context.Context, r bk.BookieRead) ([]bk.Entry, error) {
	if r.Flags&bk.FlagFence != 0 {
		if err := b.Fence(ctx, r.Ledger, r.MasterKey); err != nil {
			return nil, err
		}
	}
	entries, err := b.read(r)
	if err != nil {
		return nil, fmt.Errorf("bookie %s: ledger %d entry %d: %w", b.id, r.Ledger, r.First, err)
	}
	return entries, nil
}

func (b *Bookie) read(r bk.BookieRead) ([]bk.Entry, error) {
	if r.First == bk.NoEntry && r.Last == bk.NoEntry {
		state, err := b.store.Ledger(r.Ledger)
		if err == nil && state.Limbo {
			return nil, bk.ErrLimbo // the last that is left may not be the last there was
		}
		last, err := b.store.LastEntry(r.Ledger)
		if err != nil {
			return nil, err
		}
		return b.store.Read(r.Ledger, last, last, r.MaxBytes)
	}
	if r.First < 0 || r.Last < r.First {
		return nil, bk.ErrBadRequest
	}
	return b.store.Read(r.Ledger, r.First, r.Last, r.MaxBytes)
}

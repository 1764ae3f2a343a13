package managed

import (
	"context"
)

func (l *Ledger) trimSoon() {}

// Trim deletes the ledgers that every cursor has consumed and retention does not keep.
func (l *Ledger) Trim(ctx context.Context) error {
	if err := l.ctl.lock(ctx); err != nil {
		return err
	}
	defer l.ctl.unlock()
	return l.usable()
}

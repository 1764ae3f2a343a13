package managed

import (
	"context"

	"github.com/strobemq/strobe/storage/bk"
)

// Terminate ends the managed ledger: no entry is appended any more, for ever. Ops in flight complete first; it returns the last
// position. Terminating again returns the same.
func (l *Ledger) Terminate(ctx context.Context) (bk.Position, error) {
	if err := l.ctl.lock(ctx); err != nil {
		return bk.Position{}, err
	}
	defer l.ctl.unlock()
	if err := l.usable(); err != nil {
		return bk.Position{}, err
	}
	l.mu.Lock()
	l.dead = ErrTerminated
	l.mu.Unlock()
	if err := l.quiesce(ctx); err != nil {
		return bk.Position{}, err
	}
	l.mu.Lock()
	last := l.lac
	l.mu.Unlock()
	return last, l.save(ctx, func(i *ledgerInfo) { i.terminated = &last })
}

func (l *Ledger) quiesce(ctx context.Context) error {
	l.mu.Lock()
	w := l.w
	l.w = nil
	l.mu.Unlock()
	if w == nil {
		return nil
	}
	l.stamp(w)
	l.finish(w)
	return nil
}

// Close stops appends, waits for those in flight while ctx lasts, closes the open ledger, writes the cursors and frees everything.
// What is in flight when ctx ends completes with an error. Idempotent.
func (l *Ledger) Close(ctx context.Context) error {
	if err := l.ctl.lock(ctx); err != nil {
		return err
	}
	defer l.ctl.unlock()
	l.mu.Lock()
	was := l.dead
	l.dead = ErrClosed
	l.mu.Unlock()
	if was == ErrClosed {
		return nil
	}
	defer l.m.forget(l)
	if was == ErrFenced {
		return nil
	}
	if err := l.quiesce(ctx); err != nil {
		return err
	}
	for _, c := range l.Cursors() {
		if c.store.dirty {
			if err := c.saveNode(ctx); err != nil {
				return err
			}
		}
	}
	return l.save(ctx, nil)
}

package managed

import (
	"context"
	"errors"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/meta"
)

// Terminate ends the managed ledger: no entry is appended any more, for ever. What is in flight completes first, what waits for a
// ledger fails with ErrTerminated. It returns the last position, durable; terminating again returns the same.
func (l *Ledger) Terminate(ctx context.Context) (bk.Position, error) {
	if err := l.ctl.lock(ctx); err != nil {
		return bk.Position{}, err
	}
	defer l.ctl.unlock()
	if err := l.usable(); err != nil {
		return bk.Position{}, err
	}
	if last, ok := l.Terminated(); ok {
		return last, nil
	}
	l.mu.Lock()
	l.dead = ErrTerminated
	l.mu.Unlock()
	last, err := l.end(ctx)
	switch {
	case errors.Is(err, meta.ErrUnknown):
		// The end may stand in the metadata: what would be appended behind it could not be read after the next load.
		l.fence("whether it was terminated is not known")
	case err != nil:
		l.mu.Lock()
		if l.dead == ErrTerminated {
			l.dead = nil
			l.kickLocked()
		}
		l.mu.Unlock()
	}
	return last, err
}

func (l *Ledger) end(ctx context.Context) (bk.Position, error) {
	if err := l.drain(ctx); err != nil {
		return bk.Position{}, err
	}
	l.mu.Lock()
	w, last := l.w, l.lac
	l.mu.Unlock()
	l.stamp(w)
	l.mu.Lock()
	l.doomed = append(l.doomed, l.chain.dropEmpty()...)
	l.mu.Unlock()
	if err := l.save(ctx, func(i *ledgerInfo) { i.terminated = &last }); err != nil {
		return bk.Position{}, err
	}
	l.mu.Lock()
	l.w = nil
	l.mu.Unlock()
	if w != nil {
		l.finish(ctx, w)
	}
	l.refuse(ctx)
	return last, nil
}

// drain waits until nothing is in flight, and recovers the ledger if it breaks on the way. It is called under ctl with dead set.
func (l *Ledger) drain(ctx context.Context) error {
	for {
		l.mu.Lock()
		w := l.w
		switch {
		case w == nil || w.inflight == 0 && w.broken == nil:
			l.mu.Unlock()
			return nil
		case w.broken != nil && !w.closed:
			l.mu.Unlock()
			l.abandon(ctx, w)
		case w.inflight == 0:
			l.mu.Unlock()
			if err := l.recover(ctx, w); err != nil {
				return err
			}
		default:
			idle := l.idleLocked()
			l.mu.Unlock()
			select {
			case <-idle:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// hardStop is how long Close goes on to release things after its context has ended.
const hardStop = 2 * time.Second

// Close stops appends, waits for those in flight while ctx lasts, closes the open ledger, writes the cursors and frees everything.
// What waits for a ledger, and what is in flight when ctx ends, completes with ErrClosed; all that was appended before has completed when Close returns. A
// fenced managed ledger writes nothing. An error says what could not be written; nothing acknowledged is lost by it. Idempotent.
func (l *Ledger) Close(ctx context.Context) error {
	if err := l.ctl.lock(ctx); err != nil {
		l.mu.Lock() // end what blocks holding ctl, and let nothing follow it
		if l.dead == nil {
			l.dead = ErrClosed
		}
		if l.halt != nil {
			l.halt()
		}
		l.mu.Unlock()
		l.ctl.await()
	}
	defer l.ctl.unlock()
	l.mu.Lock()
	was := l.dead
	if was != ErrFenced {
		l.dead = ErrClosed
	}
	closed := l.closed
	l.closed = true
	l.mu.Unlock()
	if closed {
		return nil
	}
	defer l.m.forget(l)

	var errs []error
	if was != ErrFenced {
		errs = append(errs, l.settleDown(ctx))
	}
	hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), hardStop)
	defer cancel()
	l.abort(hard)
	l.table.await()
	defer l.table.unlock()
	for _, c := range l.Cursors() {
		if was == ErrFenced {
			c.abandon(hard)
		} else {
			errs = append(errs, c.shut(ctx))
		}
	}
	l.free(hard)
	return errors.Join(errs...)
}

// settleDown lets what is in flight complete, closes the ledger and records its end, so that the next open has nothing to recover.
func (l *Ledger) settleDown(ctx context.Context) error {
	if err := l.drain(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	w := l.w
	l.mu.Unlock()
	if w == nil {
		return nil
	}
	if err := w.ledger.Close(ctx); err != nil {
		return err
	}
	l.stamp(w)
	l.mu.Lock()
	w.closed = true
	l.doomed = append(l.doomed, l.chain.dropEmpty()...)
	l.mu.Unlock()
	return l.save(ctx, nil)
}

// abort ends what is still in flight and completes everything.
func (l *Ledger) abort(ctx context.Context) {
	l.mu.Lock()
	w := l.w
	l.mu.Unlock()
	if w != nil {
		if !w.closed {
			l.abandon(ctx, w)
		}
		l.await(ctx, w)
	}
	l.refuse(ctx)
}

// await waits for the completions of a closed ledger.
func (l *Ledger) await(ctx context.Context, w *writer) {
	for {
		l.mu.Lock()
		if w.inflight == 0 {
			l.mu.Unlock()
			return
		}
		idle := l.idleLocked()
		l.mu.Unlock()
		select {
		case <-idle:
		case <-ctx.Done():
			l.logger().Error("a closed ledger does not give its entries back", "id", w.id)
			return
		}
	}
}

func (l *Ledger) idleLocked() <-chan struct{} {
	if l.idle == nil {
		l.idle = make(chan struct{})
	}
	return l.idle
}

// free gives back timers, readers and the spare ledger.
func (l *Ledger) free(ctx context.Context) {
	l.mu.Lock()
	spare := l.spare
	l.spare = nil
	if l.w != nil {
		l.w.disarm()
		l.w = nil
	}
	for _, t := range []*time.Timer{l.retry, l.trimTimer} {
		if t != nil {
			t.Stop()
		}
	}
	readers := l.readers
	l.readers = nil
	for _, r := range readers {
		r.gone = true
	}
	links := l.chain.links
	l.mu.Unlock()
	for _, k := range links {
		l.m.cache.forget(k.ledger)
	}
	for _, r := range readers {
		l.closeUnused(ctx, r)
	}
	if spare != nil {
		l.discard(ctx, spare)
	}
}

// discard deletes a ledger that was created ahead, after making sure that no list names it.
func (l *Ledger) discard(ctx context.Context, spare bk.Ledger) {
	_ = spare.Close(ctx)
	v, err := l.m.meta.Get(ctx, l.path())
	if err != nil {
		return
	}
	info, err := decodeLedgerInfo(v.Data)
	if err != nil {
		return
	}
	for _, k := range info.links {
		if k.ledger == spare.ID() {
			return
		}
	}
	if err := l.m.ledgers.Delete(ctx, spare.ID()); err != nil {
		l.logger().Debug("unused ledger not deleted", "id", spare.ID(), "err", err)
	}
}

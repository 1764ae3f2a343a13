package managed

import (
	"context"
	"fmt"
	"time"

	"github.com/strobemq/strobe/storage/bk"
)

// begin makes the next ledger current and sends it what waits. The list names the ledger before the first entry goes in, and says
// how the previous one ended, everything in which is confirmed by now.
func (l *Ledger) begin(ctx context.Context) {
	defer l.phase("rollover")()
	l.mu.Lock()
	next, old := l.spare, l.w
	l.spare, l.wantSpare = nil, false
	l.mu.Unlock()
	if next == nil {
		var err error
		if next, err = l.create(ctx); err != nil {
			l.goOn(old, err)
			return
		}
	}
	if !l.mayEnd(ctx, old) {
		l.mu.Lock()
		l.spare = next
		l.mu.Unlock()
		return
	}
	l.stamp(old)
	err := l.save(ctx, func(i *ledgerInfo) { i.links = append(i.links, link{ledger: next.ID()}) })
	l.mu.Lock()
	if err != nil {
		l.spare = next // whether the list names it may be unknown
		l.mu.Unlock()
		if err != ErrFenced {
			l.failed(err)
		}
		return
	}
	l.chain.push(link{ledger: next.ID()})
	l.w = l.newWriterLocked(next)
	if l.dead == nil {
		l.w.submitWaitingLocked()
	}
	l.mu.Unlock()
	if old != nil {
		l.finish(ctx, old)
	}
}

// create makes a ledger for the managed ledger, which is in no list yet.
func (l *Ledger) create(ctx context.Context) (bk.Ledger, error) {
	cfg := l.Config()
	next, err := l.m.ledgers.Create(ctx, bk.CreateOptions{Quorum: cfg.Quorum, Digest: cfg.Digest, Custom: l.custom("")})
	if err != nil {
		return nil, fmt.Errorf("create ledger: %w", err)
	}
	l.m.count.created.Add(1)
	l.heard()
	return next, nil
}

// custom is what the metadata of a ledger says of its purpose (interop §7.8).
func (l *Ledger) custom(cursor string) map[string][]byte {
	tags := map[string][]byte{
		"application": []byte("pulsar"), "component": []byte("managed-ledger"), "pulsar/managed-ledger": []byte(l.name),
	}
	if cursor != "" {
		tags["pulsar/cursor"] = []byte(cursor)
	}
	return tags
}

// makeSpare creates the next ledger before the current one is full, or when that is over its size. If it cannot, begin tries again.
func (l *Ledger) makeSpare(ctx context.Context) {
	l.mu.Lock()
	spare := l.spare
	l.mu.Unlock()
	var err error
	if spare == nil {
		spare, err = l.create(ctx)
	} else {
		err = l.reach(ctx)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wantSpare = false
	if err != nil {
		return
	}
	l.spare = spare
	if w := l.w; w != nil && w.over {
		w.fillLocked()
		l.kickLocked()
	}
}

// retire closes the current ledger without beginning another: nothing waits for one.
func (l *Ledger) retire(ctx context.Context, w *writer) {
	defer l.phase("rollover")()
	if !l.mayEnd(ctx, w) {
		return
	}
	l.stamp(w)
	l.mu.Lock()
	l.doomed = append(l.doomed, l.chain.dropEmpty()...)
	l.mu.Unlock()
	if err := l.save(ctx, nil); err != nil {
		if err != ErrFenced {
			l.failed(err)
		}
		return
	}
	l.mu.Lock()
	l.w = nil
	l.mu.Unlock()
	l.finish(ctx, w)
}

// stamp notes in the chain that the writer's ledger is complete.
func (l *Ledger) stamp(w *writer) {
	if w == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if k := l.chain.find(w.id); k != nil && k.timestamp == 0 {
		k.timestamp = time.Now().UnixMilli()
	}
}

// finish closes a ledger all of which is confirmed and recorded. If that fails, whoever opens it for reading recovers it to the same
// end.
func (l *Ledger) finish(ctx context.Context, w *writer) {
	l.mu.Lock()
	w.disarm()
	l.trimSoonLocked()
	l.mu.Unlock()
	if err := w.ledger.Close(ctx); err != nil {
		l.logger().Debug("ledger not closed", "id", w.id, "err", err)
	}
	l.tellRolled(w.id)
}

// tellRolled calls the hook without ctl, so that it may call back.
func (l *Ledger) tellRolled(id int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if call := l.onRolled; call != nil {
		l.m.work.run(func() { call(id) })
	}
}

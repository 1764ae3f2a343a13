package managed

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/strobemq/strobe/storage/bk"
)

// The control work of a managed ledger is all that blocks on behalf of appends: creating, replacing and recovering its ledger. It
// runs as one task on the manager's workers, when something is to be done, and ends when nothing is.

// kickLocked makes the control work look.
func (l *Ledger) kickLocked() {
	if l.working {
		l.again = true
		return
	}
	l.working = true
	l.m.work.run(l.control)
}

func (l *Ledger) kick() {
	l.mu.Lock()
	l.kickLocked()
	l.mu.Unlock()
}

func (l *Ledger) control() {
	if l.ctl.lock(l.m.ctx) != nil {
		return
	}
	defer l.ctl.unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		l.again = false
		if step := l.stepLocked(); step != nil {
			l.mu.Unlock()
			step()
			l.mu.Lock()
			continue
		}
		if !l.again {
			l.working = false
			return
		}
	}
}

// stepLocked decides what comes next; nil: nothing can be done now.
func (l *Ledger) stepLocked() func() {
	w := l.w
	switch {
	case l.dead != nil:
		if w == nil || w.inflight == 0 {
			if !l.waiting.empty() || w != nil && !w.failed.empty() {
				return l.refuse
			}
		}
		return nil
	case l.retry != nil: // a pause after a failure
		return nil
	case w != nil && w.broken != nil:
		if !w.closed {
			return func() { l.abandon(w) }
		}
		if w.inflight > 0 {
			return nil
		}
		return func() { l.recover(w) }
	case w != nil && w.full:
		if w.inflight > 0 {
			return nil
		}
		if l.waiting.empty() {
			return func() { l.retire(w) }
		}
		return l.begin
	case w == nil && !l.waiting.empty():
		return l.begin
	case w != nil && l.wantSpare:
		return l.makeSpare
	}
	return nil
}

// abandon closes a broken ledger, so that everything in flight comes back.
func (l *Ledger) abandon(w *writer) {
	ctx, cancel := context.WithTimeout(l.m.ctx, metadataTimeout)
	defer cancel()
	if err := w.ledger.Close(ctx); err != nil {
		l.log.Debug("broken ledger closed", "id", w.id, "err", err)
	}
	l.mu.Lock()
	w.closed = true
	l.mu.Unlock()
}

// recover finds out where a broken ledger ends, acknowledges what it holds after all and queues the rest for the next ledger. Until
// the end is known nothing is sent again: the ledger might still turn out to hold it.
func (l *Ledger) recover(w *writer) {
	ctx, cancel := context.WithTimeout(l.m.ctx, metadataTimeout)
	defer cancel()
	r, err := l.m.ledgers.Open(ctx, w.id, true)
	if errors.Is(err, bk.ErrNoLedger) {
		l.fence(fmt.Errorf("its open ledger %d was deleted", w.id))
		return
	}
	if err != nil {
		l.failed(fmt.Errorf("recover ledger %d: %w", w.id, err))
		return
	}
	last, length := r.LastConfirmed()
	l.mu.Lock()
	if w.timer != nil {
		w.timer.Stop()
	}
	tail := l.chain.find(w.id)
	if more := last + 1 - tail.entries; more > 0 {
		l.chain.grow(more, max(0, length-tail.size))
		l.lac = bk.Position{Ledger: w.id, Entry: last}
	}
	tail.timestamp = time.Now().UnixMilli()
	l.unsaved = true
	l.w = nil
	l.readers[w.id] = &reader{ledger: r}
	var done []*Op
	for op := w.failed.head; op != nil && op.Add.Entry <= last; op = w.failed.head {
		w.failed.pop()
		op.Position, op.Err = bk.Position{Ledger: w.id, Entry: op.Add.Entry}, nil
		done = append(done, op)
	}
	for op := w.failed.head; op != nil; op = op.Next {
		l.waitBytes += int64(op.Add.Len())
	}
	l.waiting.prepend(&w.failed)
	l.mu.Unlock()
	l.log.Info("ledger recovered after a failed append", "id", w.id, "cause", w.broken, "last", last)
	complete(done)
}

// begin makes the next ledger current and sends it what waits. The list names the ledger before the first entry goes in, and says
// how the previous one ended.
func (l *Ledger) begin() {
	ctx, cancel := context.WithTimeout(l.m.ctx, metadataTimeout)
	defer cancel()
	l.mu.Lock()
	next := l.spare
	l.spare = nil
	old := l.w
	l.mu.Unlock()
	if next == nil {
		var err error
		if next, err = l.create(ctx); err != nil {
			l.failed(err)
			return
		}
	}
	if old != nil {
		l.stamp(old)
	}
	if err := l.save(ctx, func(i *ledgerInfo) { i.links = append(i.links, link{ledger: next.ID()}) }); err != nil {
		if err == ErrFenced {
			l.discard(next)
			return
		}
		// Whether the list names the ledger is unknown: it is tried again with the same one.
		l.mu.Lock()
		l.spare = next
		l.mu.Unlock()
		l.failed(err)
		return
	}
	l.mu.Lock()
	l.chain.push(link{ledger: next.ID()})
	l.w = l.newWriter(next)
	l.stalled, l.pause = time.Time{}, 0
	for op := l.waiting.pop(); op != nil; op = l.waiting.pop() {
		l.w.takeLocked(op)
	}
	l.waitBytes = 0
	l.w.sendLocked()
	l.mu.Unlock()
	if old != nil {
		l.finish(old)
		l.trimSoon()
	}
}

func (l *Ledger) create(ctx context.Context) (bk.Ledger, error) {
	cfg := l.Config()
	next, err := l.m.ledgers.Create(ctx, bk.CreateOptions{Quorum: cfg.Quorum, Digest: cfg.Digest, Custom: map[string][]byte{
		"application": []byte("pulsar"), "component": []byte("managed-ledger"), "pulsar/managed-ledger": []byte(l.name),
	}})
	if err != nil {
		return nil, fmt.Errorf("create ledger: %w", err)
	}
	return next, nil
}

func (l *Ledger) makeSpare() {
	ctx, cancel := context.WithTimeout(l.m.ctx, metadataTimeout)
	defer cancel()
	next, err := l.create(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wantSpare = false
	if err == nil {
		l.spare = next
	}
}

func (l *Ledger) newWriter(next bk.Ledger) *writer {
	w := &writer{l: l, ledger: next, id: next.ID(), begun: time.Now()}
	if age := l.cfg.MaxRollover; age > 0 {
		w.timer = time.AfterFunc(age+time.Duration(rand.Int64N(int64(age/20)+1)), w.expire)
	}
	return w
}

// retire closes the current ledger without beginning another: nothing waits for one.
func (l *Ledger) retire(w *writer) {
	ctx, cancel := context.WithTimeout(l.m.ctx, metadataTimeout)
	defer cancel()
	l.stamp(w)
	if err := l.save(ctx, nil); err != nil {
		if err != ErrFenced {
			l.failed(err)
		}
		return
	}
	l.mu.Lock()
	l.w = nil
	l.mu.Unlock()
	l.finish(w)
	l.trimSoon()
}

// stamp notes in the chain that w takes no more.
func (l *Ledger) stamp(w *writer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k := l.chain.find(w.id); k != nil && k.timestamp == 0 {
		k.timestamp = time.Now().UnixMilli()
		l.unsaved = true
	}
}

// finish closes a ledger that everything was confirmed of. If that fails, whoever opens it for reading recovers it to the same end.
func (l *Ledger) finish(w *writer) {
	if w.timer != nil {
		w.timer.Stop()
	}
	ctx, cancel := context.WithTimeout(l.m.ctx, metadataTimeout)
	defer cancel()
	if err := w.ledger.Close(ctx); err != nil {
		l.log.Debug("ledger closed", "id", w.id, "err", err)
	}
}

// discard deletes a ledger that is in no list.
func (l *Ledger) discard(next bk.Ledger) {
	ctx, cancel := context.WithTimeout(l.m.ctx, metadataTimeout)
	defer cancel()
	_ = next.Close(ctx)
	if err := l.m.ledgers.Delete(ctx, next.ID()); err != nil {
		l.log.Debug("unused ledger not deleted", "id", next.ID(), "err", err)
	}
}

// failed plans the next try, and fails what waits when it has waited for too long.
func (l *Ledger) failed(err error) {
	l.mu.Lock()
	if l.stalled.IsZero() {
		l.stalled = time.Now()
		l.log.Warn("no ledger to append to, trying on", "err", err)
	}
	var done []*Op
	if time.Since(l.stalled) >= l.cfg.AppendTimeout {
		l.stalled = time.Time{}
		if l.w != nil {
			l.waiting.prepend(&l.w.failed)
		}
		done = l.takeLocked(err)
	}
	l.pause = min(max(2*l.pause, 50*time.Millisecond), 5*time.Second)
	l.retry = time.AfterFunc(l.pause, func() {
		l.mu.Lock()
		l.retry = nil
		l.kickLocked()
		l.mu.Unlock()
	})
	l.mu.Unlock()
	complete(done)
}

// takeLocked empties the queue of waiting ops, all of them failed with err.
func (l *Ledger) takeLocked(err error) []*Op {
	var done []*Op
	for op := l.waiting.pop(); op != nil; op = l.waiting.pop() {
		op.Err = err
		done = append(done, op)
	}
	l.waitBytes = 0
	return done
}

// refuse completes what can no longer be appended.
func (l *Ledger) refuse() {
	l.mu.Lock()
	if l.w != nil {
		l.waiting.prepend(&l.w.failed)
	}
	done := l.takeLocked(l.dead)
	l.mu.Unlock()
	complete(done)
}

// fence gives the managed ledger up: another owner has it.
func (l *Ledger) fence(why error) {
	l.mu.Lock()
	if l.dead != nil && l.dead != ErrTerminated {
		l.mu.Unlock()
		return
	}
	l.dead = ErrFenced
	call := l.onFenced
	l.mu.Unlock()
	l.log.Warn("fenced", "err", why)
	if call != nil {
		call(ErrFenced)
	}
}

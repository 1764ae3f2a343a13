package managed

import (
	"context"
	"time"
)

// The control work of a managed ledger is what may block on behalf of appends and trimming. It runs as one task on the manager's
// workers when there is something to do and ends when there is nothing.

// kickLocked makes the control work look.
func (l *Ledger) kickLocked() {
	if l.working {
		l.again = true
		return
	}
	l.working = true
	l.m.work.run(l.control)
}

func (l *Ledger) control() {
	l.ctl.await()
	defer l.ctl.unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		l.again = false
		if step := l.stepLocked(); step != nil {
			ctx, cancel := context.WithTimeout(l.m.ctx, metadataTimeout)
			l.halt = cancel
			l.mu.Unlock()
			step(ctx)
			cancel()
			l.mu.Lock()
			l.halt = nil
			continue
		}
		if !l.again {
			l.working = false
			return
		}
	}
}

// stepLocked decides what comes next; nil: nothing can be done now. What is in flight is waited for: its completion kicks.
func (l *Ledger) stepLocked() func(context.Context) {
	w := l.w
	flying := w != nil && w.inflight > 0
	switch {
	case l.dead == ErrFenced && w != nil && !w.closed:
		return func(ctx context.Context) { l.abandon(ctx, w) }
	case l.dead != nil:
		if !flying && (!l.waiting.empty() || w != nil && !w.failed.empty()) {
			return l.refuse
		}
		if l.dead == ErrTerminated && l.wantTrim {
			return l.trim
		}
	case l.retry != nil: // a pause after a failure
	case w != nil && w.broken != nil:
		switch {
		case !w.closed:
			return func(ctx context.Context) { l.abandon(ctx, w) }
		case !flying:
			return func(ctx context.Context) { l.recoverOr(ctx, w) }
		}
	case w != nil && w.full && !flying:
		if l.waiting.empty() {
			return func(ctx context.Context) { l.retire(ctx, w) }
		}
		return l.begin
	case w == nil && !l.waiting.empty():
		return l.begin
	case w != nil && l.wantSpare:
		return l.makeSpare
	case l.wantTrim:
		return l.trim
	}
	return nil
}

// failed plans the next try, and fails what waits when it has waited for too long.
func (l *Ledger) failed(err error) {
	l.mu.Lock()
	if l.stalled.IsZero() {
		l.stalled = time.Now()
		l.logger().Warn("no ledger to append to, trying on", "err", err)
	}
	if time.Since(l.stalled) >= l.cfg.AppendTimeout {
		l.stalled = time.Time{}
		// Also what is appended until the owner of the ops has been told, or a later op could be stored where an earlier one failed.
		for done := l.takeLocked(err); len(done) > 0; done = l.takeLocked(err) {
			l.mu.Unlock()
			complete(done)
			l.mu.Lock()
		}
	}
	l.pause = min(max(2*l.pause, 20*time.Millisecond), 5*time.Second)
	l.retry = time.AfterFunc(l.pause, func() {
		l.mu.Lock()
		l.retry = nil
		l.kickLocked()
		l.mu.Unlock()
	})
	l.mu.Unlock()
}

// refuse completes what can no longer be appended.
func (l *Ledger) refuse(context.Context) {
	l.mu.Lock()
	done := l.takeLocked(l.dead)
	l.mu.Unlock()
	complete(done)
}

// takeLocked empties the queue of ops without a ledger, and of those that came back from a broken one, all of them failed with err.
func (l *Ledger) takeLocked(err error) []*Op {
	if l.w != nil {
		l.waiting.prepend(&l.w.failed)
	}
	var done []*Op
	for op := l.waiting.pop(); op != nil; op = l.waiting.pop() {
		op.Err = err
		done = append(done, op)
	}
	return done
}

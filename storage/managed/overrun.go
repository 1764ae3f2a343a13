package managed

import (
	"context"
	"errors"
	"time"

	"github.com/strobemq/strobe/storage/meta"
)

// How large and how old a ledger gets is a wish. While there are no metadata to name its successor, it takes more than it
// should: nothing fails, and the wait is short. There is no way back once the list may say where it ends, because whoever reads
// that believes it; so the metadata must have answered just before.

const (
	// rollPatience is how long appends wait for the next ledger before they go into the full one.
	rollPatience = 250 * time.Millisecond
	// rollRetry is how often a successor is then tried for.
	rollRetry = 5 * time.Second
	// freshFor is for how long an answer of the metadata says that they are there.
	freshFor = 50 * time.Millisecond
	// reachTime is how long they have to answer when there is none.
	reachTime = 2 * time.Second
)

// fillLocked makes the ledger take no more, for as long as a successor can be expected.
func (w *writer) fillLocked() {
	w.full, w.over = true, false
	if w.patience == nil {
		w.patience = time.AfterFunc(rollPatience, w.lose)
	} else {
		w.patience.Reset(rollPatience)
	}
}

// lose opens a full ledger again because its successor takes long.
func (w *writer) lose() {
	l := w.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.w != w || w.patience == nil {
		return
	}
	switch {
	case !w.full:
	case w.inflight > 0 && l.spare != nil: // it is not the metadata that take long
		w.patience.Reset(rollPatience)
	case l.overrunLocked(w):
		l.wantSpare = true
		l.kickLocked()
	}
}

// goOn opens a full ledger again because its successor cannot be had now, or plans the next try.
func (l *Ledger) goOn(w *writer, err error) {
	l.mu.Lock()
	over := l.overrunLocked(w)
	l.mu.Unlock()
	if !over {
		l.failed(err)
	}
}

// overrunLocked opens a full ledger again. It reports false when it takes no more in any case.
func (l *Ledger) overrunLocked(w *writer) bool {
	if w == nil || l.w != w || w.broken != nil || w.ending || l.dead != nil {
		return false
	}
	if w.full {
		w.disarm()
		w.full, w.over, w.overrun = false, true, time.Now().Add(rollRetry)
		w.timer = time.AfterFunc(rollRetry, w.expire)
		w.submitAllLocked()
	}
	return true
}

// tryOnLocked has a successor created behind the back of a ledger that is over its size.
func (w *writer) tryOnLocked() {
	l := w.l
	if l.wantSpare || time.Now().Before(w.overrun) {
		return
	}
	w.overrun = time.Now().Add(rollRetry)
	l.wantSpare = true
	l.kickLocked()
}

// mayEnd makes it final that a ledger ends; nil is none. If it must go on instead, mayEnd has seen to it.
func (l *Ledger) mayEnd(ctx context.Context, w *writer) bool {
	l.mu.Lock()
	fresh := w == nil || w.ending || time.Since(l.answered) < freshFor
	l.mu.Unlock()
	if !fresh {
		if err := l.reach(ctx); err != nil {
			l.goOn(w, err)
			return false
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case w == nil:
		return true
	case w.full:
		w.ending = w.inflight == 0 // it may have been open meanwhile
		return w.ending
	case w.over: // it was opened again, but the metadata are there
		w.fillLocked()
	}
	return false
}

// reach asks whether the metadata are there.
func (l *Ledger) reach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	_, err := l.m.meta.Get(ctx, l.path())
	if err != nil && !errors.Is(err, meta.ErrNotFound) {
		return err
	}
	l.heard()
	return nil
}

// heard notes that the metadata answered.
func (l *Ledger) heard() {
	l.mu.Lock()
	l.answered = time.Now()
	l.mu.Unlock()
}

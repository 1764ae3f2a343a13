package instance

import (
	"context"
	"errors"
	"time"

	"github.com/strobemq/strobe/connectors"
)

// heldWait is the longest wait for another instance to let go of a partition: it does so by itself, and soon.
const heldWait = time.Second

// connect opens one end, trying again for as long as its errors allow; false if the loop is to end. persist: also while the loop drains.
func (l *Loop) connect(ctx context.Context, e end, open func(context.Context) error, persist bool) bool {
	for failures := 1; ; failures++ {
		err := open(ctx)
		if err == nil {
			l.status.up(e)
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		l.counts.systemErrors.Add(1)
		l.status.event(e.String()+": "+err.Error(), true)
		if !l.pause(e, failures, err, persist) {
			return false
		}
	}
}

// pause waits after the failures-th error in a row of one end; false if the error ends the loop, or the loop is to end anyway. persist: the wait
// goes on while the loop drains.
func (l *Loop) pause(e end, failures int, err error, persist bool) bool {
	var d time.Duration
	switch connectors.ClassOf(err) {
	case connectors.BadConfig, connectors.Fatal:
		if e == sink {
			l.failNow(err)
		} else {
			l.fail(err)
		}
		return false
	case connectors.NoPermission:
		d = l.o.PermissionWait
	default:
		d = l.o.ConnectBackoff.after(failures)
		if errors.Is(err, connectors.ErrLeaseHeld) {
			d = min(d, heldWait)
		}
	}
	if failures == 1 {
		l.o.Log.Warn("trouble, trying again", "with", e.String(), "error", err)
	}
	l.status.down(e, err)
	return l.sleep(d, persist)
}

// sleep waits for d; false if the loop is to end meanwhile, or, unless persist, to drain.
func (l *Loop) sleep(d time.Duration, persist bool) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	drain := l.drain
	if persist {
		drain = nil
	}
	select {
	case <-t.C:
		return true
	case <-drain:
	case <-l.ctx.Done():
	}
	return false
}

package managed

import (
	"context"
	"time"
)

// Trim deletes the ledgers that every cursor has consumed and retention does not keep. It happens by itself when cursors move,
// ledgers are closed and retention ends; a call waits for it and reports the error.
func (l *Ledger) Trim(ctx context.Context) error {
	if err := l.ctl.lock(ctx); err != nil {
		return err
	}
	defer l.ctl.unlock()
	if err := l.usable(); err != nil {
		return err
	}
	return l.cut(ctx)
}

// trim is Trim as a step of the control work.
func (l *Ledger) trim(ctx context.Context) {
	if err := l.cut(ctx); err != nil && err != ErrFenced {
		l.logger().Warn("consumed ledgers stay for now", "err", err)
	}
}

// cut drops ledgers from the chain, records that, and only then deletes them: a crash in between leaves a ledger that nobody knows,
// never a list that names a ledger that is gone.
func (l *Ledger) cut(ctx context.Context) error {
	l.mu.Lock()
	l.wantTrim = false
	n, _ := l.consumedLocked()
	for _, k := range l.chain.links[:n] {
		l.doomed = append(l.doomed, k.ledger)
	}
	if n > 0 {
		l.chain.trim(n)
	}
	due := len(l.doomed) > 0
	l.mu.Unlock()
	if !due {
		return nil
	}
	defer l.phase("trim")()
	return l.save(ctx, nil)
}

// trimSoonLocked has the control work trim if there is something to trim, and sets the timer if only time is missing.
func (l *Ledger) trimSoonLocked() {
	if l.dead != nil && l.dead != ErrTerminated {
		return
	}
	n, wait := l.consumedLocked()
	if n > 0 {
		l.wantTrim = true
		l.kickLocked()
		return
	}
	if l.trimTimer != nil {
		l.trimTimer.Stop()
		l.trimTimer = nil
	}
	if wait > 0 {
		l.trimTimer = time.AfterFunc(wait, func() {
			l.mu.Lock()
			l.trimSoonLocked()
			l.mu.Unlock()
		})
	}
}

// consumedLocked is how many ledgers at the front may go (interop §7.6), or, when it is none, how long until retention by time lets
// the first one go (0: nothing to wait for). Every cursor holds what it has not consumed, non-durable ones too, and so does
// the ledger that is open for writing.
func (l *Ledger) consumedLocked() (n int, wait time.Duration) {
	floor := l.chain.next
	for _, c := range l.cursors {
		floor = min(floor, l.chain.ordinal(c.markDelete))
	}
	for c := range l.loose {
		floor = min(floor, l.chain.ordinal(c.markDelete))
	}
	left := l.chain.bytes()
	for i := range l.chain.links {
		k := &l.chain.links[i]
		if k.timestamp == 0 || k.start+k.entries > floor {
			break
		}
		over := l.cfg.RetentionBytes >= 0 && left >= l.cfg.RetentionBytes
		if !over {
			expired, in := l.m.clock.expired(k.timestamp, l.cfg.RetentionTime)
			if !expired {
				if i == 0 {
					wait = in
				}
				break
			}
		}
		left -= k.size
		n++
	}
	return n, wait
}

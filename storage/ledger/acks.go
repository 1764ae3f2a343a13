package ledger

import (
	"time"

	"github.com/strobemq/strobe/storage/bk"
)

// BookieAddsDone implements bk.BookieAddsDone for all writers of the client: a bookie has answered adds.
func (c *Client) BookieAddsDone(done []*bk.BookieAdd) {
	now := time.Now()
	for len(done) > 0 {
		w := done[0].Ctx.(*replica).op.w
		n := 1
		for n < len(done) && done[n].Ctx.(*replica).op.w == w {
			n++
		}
		w.answered(done[:n], now)
		done = done[n:]
	}
}

// answered takes the answers of one bookie to adds of w.
func (w *writer) answered(done []*bk.BookieAdd, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := 0
	for _, d := range done {
		r := d.Ctx.(*replica)
		o, m := r.op, r.member
		m.outstanding--
		current := w.members[m.index] == m
		counts := current && !m.failed
		switch code := d.Err; {
		case code == bk.OK:
			taken++
			m.progress, m.trial = now, false
			if counts {
				w.window.Ack(o.entry, m.index)
			}
		case code == bk.ErrTooMany && current && !m.failed && w.err == nil:
			m.waitLocked(o)
			w.armLocked(now, againPause)
		case code == bk.ErrFenced, code == bk.ErrUnauthorized, code == bk.ErrEntryTooLarge:
			// Another client recovers the ledger, or this one never had a right to it, or no bookie could take the
			// entry: a replacement would not help.
			w.breakLocked(code)
		default:
			m.lack(o.entry)
			if current {
				w.failLocked(m, code)
			}
			w.markLocked(m)
		}
		o.answered()
	}
	w.confirmLocked()
	for _, m := range w.members {
		if len(m.again) > 0 && !m.failed {
			w.againLocked(m, 2*taken)
		}
	}
	if w.closing {
		w.calm.Broadcast()
	}
}

// confirmLocked completes what has its ack quorum, in entry order.
func (w *writer) confirmLocked() {
	if w.err != nil || w.recovering && w.changing { // a recovery has nobody to hold up, and should leave no copy missing
		return
	}
	n := w.window.Confirm()
	if n > 0 && !w.starved.IsZero() {
		w.starved = time.Time{}
	}
	for range n {
		o := w.pending.pop()
		w.lac, w.length = o.entry, o.length
		if w.gaps > 0 {
			w.holdLocked(o)
		}
		w.done.push(o.completed())
	}
	if n > 0 && w.gaps > 0 {
		for _, m := range w.members {
			w.markLocked(m)
		}
	}
	w.tellLocked()
}

// armLocked has tick called in a while, or earlier if it already was to be.
func (w *writer) armLocked(now time.Time, after time.Duration) {
	due := now.Add(after)
	if w.err != nil || !w.due.IsZero() && !due.Before(w.due) {
		return
	}
	w.due = due
	if w.timer == nil {
		w.timer = time.AfterFunc(after, w.tick)
	} else {
		w.timer.Reset(after)
	}
}

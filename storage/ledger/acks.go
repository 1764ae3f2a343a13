package ledger

import (
	"errors"
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
		switch code := d.Err; {
		case code == bk.OK:
			taken++
			m.progress = now
			if current {
				w.window.Ack(o.entry, m.index)
			}
		case code == bk.ErrTooMany && current && !m.failed && w.err == nil:
			m.waitLocked(o)
			w.armLocked(now, againPause)
		case code == bk.ErrFenced, code == bk.ErrUnauthorized, code == bk.ErrEntryTooLarge:
			// Another client recovers the ledger, or this one never had a right to it, or no bookie could take the
			// entry: a replacement would not help.
			w.breakLocked(code)
		case current:
			w.failLocked(m, code)
		}
		o.answered()
	}
	w.confirmLocked()
	for _, m := range w.members {
		if len(m.again) > 0 {
			w.againLocked(m, 2*taken)
		}
	}
}

// confirmLocked completes what has its ack quorum, in entry order.
func (w *writer) confirmLocked() {
	if w.changing || w.err != nil {
		return
	}
	n := w.window.Confirm()
	for range n {
		o := w.pending.pop()
		w.lac, w.length = o.entry, o.length
		w.done.push(o.completed())
	}
	w.tellLocked()
}

// failLocked takes a member out of the writing and has a replacement looked for.
func (w *writer) failLocked(m *member, why error) {
	if m.failed || w.err != nil {
		return
	}
	m.failed = true
	m.dropAgain()
	w.c.quarantine(m.id)
	w.c.metrics.failures.Add(1)
	w.c.log.Warn("bookie failed", "ledger", w.id, "bookie", m.id, "error", why)
	w.changeLocked(why)
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

// tick looks for bookies that hang, tries those again whose queues were full, and looks for a bookie where the ensemble
// misses one.
func (w *writer) tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.due = time.Time{}
	now := time.Now()
	missing := false
	for _, m := range w.members {
		if w.err != nil {
			return
		}
		switch left := w.c.o.AddTimeout - now.Sub(m.progress); {
		case m.failed:
		case m.outstanding == 0 && len(m.again) == 0:
		case left <= 0 && m.outstanding > 0:
			w.failLocked(m, bk.ErrTimeout)
		case left <= 0:
			w.failLocked(m, bk.ErrTooMany)
		case m.outstanding == 0:
			w.againLocked(m, againProbe)
			w.armLocked(now, againPause)
		default:
			w.armLocked(now, left)
		}
		missing = missing || m.failed
	}
	if missing {
		w.changeLocked(errMissing)
		w.armLocked(now, w.c.o.Retry)
	}
}

var errMissing = errors.New("the ensemble misses a bookie")

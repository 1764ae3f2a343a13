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
	for _, d := range done {
		r := d.Ctx.(*replica)
		o, m := r.op, r.member
		m.outstanding--
		m.progress = now
		current := w.members[m.index] == m
		switch code := d.Err; {
		case code == bk.OK:
			if current {
				w.window.Ack(o.entry, m.index)
			}
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
	w.c.quarantine(m.id)
	w.c.log.Warn("bookie failed", "ledger", w.id, "bookie", m.id, "error", why)
	w.changeLocked(why)
}

// armLocked sets the timer that notices bookies which owe answers too long, unless it runs.
func (w *writer) armLocked(after time.Duration) {
	if w.armed || w.err != nil {
		return
	}
	w.armed = true
	if w.timer == nil {
		w.timer = time.AfterFunc(after, w.tick)
	} else {
		w.timer.Reset(after)
	}
}

// tick looks for bookies that hang, and for a bookie where the ensemble misses one.
func (w *writer) tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed = false
	if w.err != nil {
		return
	}
	now := time.Now()
	next := time.Duration(0)
	soonest := func(d time.Duration) {
		if next == 0 || d < next {
			next = max(d, time.Millisecond)
		}
	}
	missing := false
	for _, m := range w.members {
		if m.failed {
			missing = true
			continue
		}
		if m.outstanding == 0 {
			continue
		}
		left := w.c.o.AddTimeout - now.Sub(m.progress)
		if left <= 0 {
			w.failLocked(m, bk.ErrTimeout)
			missing = true
			continue
		}
		soonest(left)
	}
	if missing {
		w.changeLocked(errMissing)
		soonest(w.c.o.Retry)
	}
	if next > 0 {
		w.armLocked(next)
	}
}

var errMissing = errors.New("the ensemble misses a bookie")

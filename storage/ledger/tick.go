package ledger

import (
	"fmt"
	"slices"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
)

// tick looks for bookies that hang, tries those again whose queues were full, takes bookies back that failed, and looks for others
// where the ensemble misses one.
func (w *writer) tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.due = time.Time{}
	now := time.Now()
	for _, m := range w.members {
		if w.err != nil {
			return
		}
		limit := w.c.o.AddTimeout
		if m.trial {
			limit /= trialShare
		}
		switch left := limit - now.Sub(m.progress); {
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
	}
	if w.gaps == 0 {
		return
	}
	stands := w.pending.first != nil && w.lac == w.stood // a bookie that is not given up yet stands still too
	w.stood = w.lac
	if !stands && w.starved.IsZero() && now.Before(w.look) {
		w.armLocked(now, min(lastLook, w.c.o.Retry))
		return
	}
	w.look = now.Add(w.c.o.Retry)
	if !w.seeking {
		w.takeBackLocked(stands || !w.starved.IsZero())
	}
	if w.gaps > 0 {
		w.desperate = !w.starved.IsZero()
		w.changeLocked()
		if w.writingLocked() {
			w.missLocked(now)
		}
	}
}

// trialShare is by how much less patience a bookie meets that was taken back and has not answered yet.
const trialShare = 8

// takeBackLocked puts bookies that failed in their own places again, which the metadata need not be told. Each is first sent a few
// entries; the rest follows when it takes them. A bookie that failed lately is left alone, except when entries wait for it.
func (w *writer) takeBackLocked(desperate bool) {
	var writable, avoid []string
	for _, m := range w.members {
		if !m.failed || m.leaving {
			continue
		}
		if writable == nil {
			writable, avoid = w.c.bookies.Writable(), w.c.avoided()
		}
		if !slices.Contains(writable, m.id) || !desperate && slices.Contains(avoid, m.id) {
			continue
		}
		conn, err := w.c.bookies.Conn(m.id)
		if err != nil {
			continue
		}
		back := w.c.newMember(m.index, m.id, conn)
		back.trial = true
		w.succeedLocked(m, back, w.firstLocked(m))
		w.againLocked(back, againProbe)
		w.armLocked(time.Now(), w.c.o.AddTimeout/trialShare)
		w.c.log.Debug("bookie taken back", "ledger", w.id, "bookie", m.id)
	}
}

// missLocked decides what becomes of a ledger that misses bookies for now. It goes on with those it has when they can make
// the ack quorum of every entry (Apache ends it; interop §11b). Else its adds wait until bookies come back or replace the others,
// for QuorumWait at most.
func (w *writer) missLocked(now time.Time) {
	if w.err != nil {
		return
	}
	if w.spareLocked(nil) {
		w.armLocked(now, min(lastLook, w.c.o.Retry))
		return
	}
	if w.starved.IsZero() {
		w.starved = now
		w.c.log.Warn("ack quorum lost, adds wait", "ledger", w.id, "bookies", idsOf(w.members), "error", w.cause)
	}
	waited := now.Sub(w.starved)
	if !w.recovering && waited < w.c.o.QuorumWait {
		w.armLocked(now, min(max(waited, firstLook), lastLook))
		return
	}
	var left []string
	for _, m := range w.members {
		if !m.failed {
			left = append(left, m.id)
		}
	}
	w.breakLocked(fault.LedgerNotEnough.New("of %v only %v are left and none replaces the others: %w", idsOf(w.members), left, fmt.Errorf("%w: %w", bk.ErrNotEnough, w.cause)))
}

// A ledger without its ack quorum looks for bookies first after firstLook, then ever more seldom down to once in lastLook. One that has
// it looks that often whether its adds stand still.
const (
	firstLook = 20 * time.Millisecond
	lastLook  = time.Second
)

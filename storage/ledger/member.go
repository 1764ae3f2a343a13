package ledger

import (
	"log/slog"
	"math"
	"sync/atomic"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/quorum"
)

// member is a bookie at a place of the ensemble. Whoever takes its place is another member, also when it is the same bookie that came
// back. Its writer's lock guards it.
//
// What a failed member acknowledged of pending entries no longer counts, nor what it still acknowledges. So from the first entry that was
// pending then, everything is confirmed without it, and the metadata may name another bookie in its place from there on, at
// any time: nobody waits for that (interop §3.4 stops confirming instead).
type member struct {
	index       int
	id          string
	conn        BookieConn
	outstanding int       // adds it has not answered
	progress    time.Time // when it last took an add, or began to owe answers
	trial       bool      // it was taken back and has not taken an add since
	batch       []*bk.BookieAdd

	// again is entries that it shall be sent again, in order: it had no room, and what comes waits behind. Of a failed member that holds,
	// those confirmed since it failed, for its successor.
	again   []*op
	waiting int64         // bytes of again
	lag     *atomic.Int64 // bytes that wait for the bookie in all ledgers

	failed  bool  // gets no adds; a successor is looked for
	leaving bool  // of a failed one: the metadata may name another in its place already
	holds   bool  // of a failed one: everything from the entry from on is in again, or pending
	from    int64 // see firstLocked

	hole   int64 // the first entry it should have and was not sent or did not take; noHole
	until  int64 // its successor has everything from here on; noHole: it has none
	marked bool  // as lacking entries
}

const (
	noHole = math.MaxInt64
	// maxHeld is how many bytes of entries are held for the successor of a failed member. What does not fit is reported for repair.
	maxHeld = 4 << 20
)

// newMember returns a member that has nothing yet.
func (c *Client) newMember(index int, id string, conn BookieConn) *member {
	return &member{index: index, id: id, conn: conn, progress: time.Now(), lag: c.lagOf(id), hole: noHole, until: noHole}
}

// lack notes that the member does not have an entry, or not for certain.
func (m *member) lack(entry int64) { m.hole = min(m.hole, entry) }

// waitLocked has o sent to m, or to its successor, later.
func (m *member) waitLocked(o *op) {
	o.refs++
	m.waiting += o.size()
	m.lag.Add(o.size())
	m.again = append(m.again, o)
}

// unwait takes the first entry out of those that wait for m, after it was sent or when it need not be.
func (m *member) unwait() {
	o := m.again[0]
	m.again[0] = nil
	if m.again = m.again[1:]; len(m.again) == 0 {
		m.again = nil
	}
	m.waiting -= o.size()
	m.lag.Add(-o.size())
	o.answered()
}

// dropAgain lets go what waits for m, which gets no more adds.
func (m *member) dropAgain() {
	m.holds = false
	if len(m.again) > 0 {
		m.lack(m.again[0].entry)
	}
	for len(m.again) > 0 {
		m.unwait()
	}
}

// failLocked takes a member out of the writing and has a successor looked for.
func (w *writer) failLocked(m *member, why error) {
	if m.failed || w.err != nil {
		return
	}
	m.dropAgain()
	m.failed, m.holds, m.from = true, true, w.window.LAC()+1
	w.window.Forget(m.index)
	w.gaps++
	w.failures++
	w.cause = why
	w.c.metrics.failures.Add(1)
	level := slog.LevelDebug
	if w.c.quarantine(m.id, why) {
		level = slog.LevelWarn
	}
	w.c.log.Log(w.ctx, level, "bookie failed", "ledger", w.id, "bookie", m.id, "error", why)
	w.changeLocked()
	if w.writingLocked() {
		w.missLocked(time.Now())
	}
}

// holdLocked keeps an entry that is confirmed for the successors of failed members.
func (w *writer) holdLocked(o *op) {
	for _, m := range w.members {
		switch {
		case !m.failed || !quorum.Holds(m.index, o.entry, w.md.Quorum):
		case m.holds && m.waiting+o.size() <= maxHeld:
			m.waitLocked(o)
		default:
			m.dropAgain()
			m.lack(o.entry)
		}
	}
}

// firstLocked is the first entry that the successor of a failed member can begin with: nothing from there on was confirmed
// with the acknowledgement of m, and all of it can be sent.
func (w *writer) firstLocked(m *member) int64 {
	if m.holds {
		return m.from
	}
	return w.window.LAC() + 1
}

// succeedLocked puts m in place of old, from the entry first on, and has it sent what it needs.
func (w *writer) succeedLocked(old, m *member, first int64) {
	begins := w.firstLocked(old)
	for len(old.again) > 0 && old.again[0].entry < first {
		old.lack(old.again[0].entry)
		old.unwait()
	}
	for _, o := range old.again {
		m.waitLocked(o)
		old.waiting -= o.size()
		old.lag.Add(-o.size())
		o.refs--
	}
	old.again, old.holds, old.leaving, old.until = nil, false, false, first
	w.markLocked(old)
	if first < begins {
		m.lack(first) // the change took long, and could not be held any more
	}
	w.members[m.index] = m
	w.gaps--
	for o := w.pending.first; o != nil; o = o.next {
		if quorum.Holds(m.index, o.entry, w.md.Quorum) {
			m.waitLocked(o)
		}
	}
	w.markLocked(m)
	if w.pending.first == nil && w.spareLocked(nil) {
		w.starved = time.Time{}
	}
}

// markLocked reports that a member lacks confirmed entries, once it is known that nobody will send them to it, nor that they are
// another's in the metadata.
func (w *writer) markLocked(m *member) {
	before := m.until
	if m.failed && m.holds {
		before = min(before, m.from)
	}
	if m.marked || m.leaving || m.hole >= before || m.hole > w.lac {
		return
	}
	m.marked = true
	w.c.marks.add(w.id, m.id)
}

package ledger

import (
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/quorum"
)

// A bookie that answers bk.ErrTooMany is not broken: its queue is full. The entry waits and is sent again, in order, at the
// pace in which the bookie answers others; when all bookies are slow the pressure shows upstream as adds that are not
// completed. A bookie of which more than maxLag waits while the ledger goes on without it lags behind the others for good,
// and is replaced.

const (
	// againPause is how soon a bookie that owes no answers is tried again.
	againPause = 10 * time.Millisecond
	// againProbe is how many entries it is then sent.
	againProbe = 16
	// maxLag is how many bytes of one ledger's entries may wait for a bookie although they have their ack quorum.
	maxLag = 16 << 20
	// maxLagAll is that of all ledgers together.
	maxLagAll = 64 << 20
)

func (o *op) size() int64 { return int64(len(o.head) + len(o.body.B)) }

// againLocked sends up to n of the entries that wait for m, or gives m up.
func (w *writer) againLocked(m *member, n int) {
	if len(m.again) == 0 {
		return
	}
	if (m.waiting > maxLag || m.lag.Load() > maxLagAll) && m.again[0].add == nil && w.spareLocked(m) {
		w.failLocked(m, bk.ErrTooMany)
		return
	}
	for range min(n, len(m.again)) {
		m.again[0].send(m)
		m.unwait()
	}
	since := m.progress
	w.flushLocked()
	m.progress = since // trying again is no progress
}

// spareLocked reports whether the other members can make the ack quorum without m.
func (w *writer) spareLocked(m *member) bool {
	var alive quorum.Set
	for _, x := range w.members {
		if !x.failed && x != m {
			alive = alive.With(x.index)
		}
	}
	return quorum.CanAck(alive, w.md.Quorum)
}

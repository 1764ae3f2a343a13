package managed

import (
	"maps"
	"slices"

	"github.com/strobemq/strobe/storage/bk"
)

// Cursor is a position in a managed ledger: everything up to its mark-delete is acknowledged, and behind it single entries and parts
// of batches may be. Acknowledging changes memory and is written later (Flush, Options.FlushInterval): after a crash the last
// moments are delivered again. A durable cursor holds what it has not consumed against trimming; a non-durable one does so
// while it exists.
type Cursor struct {
	l       *Ledger
	name    string
	durable bool

	// guarded by l.mu
	markDelete bk.Position
	acks       ackSet
	batches    map[bk.Position][]int64 // bits of batch indexes not acknowledged; ones up to markDelete do not count
	pruneAt    int                     // how many batches there may be before the passed ones are dropped
	longs      []LongProperty          // tied to markDelete
	props      map[string]string
	onMoved    func(markDelete bk.Position)
	closed     bool

	store cursorStore
}

// Ack is one entry to acknowledge.
type Ack struct {
	Position bk.Position
	// Remaining is the batch indexes that stay unacknowledged, a bit each, lowest first, as in the protocol's ack sets; nil
	// acknowledges the whole entry. Bits that were acknowledged before stay so. It is borrowed.
	Remaining []int64
	// Done is set by AckIndividual: the entry has become wholly acknowledged by this.
	Done bool
}

// Name is the cursor's name, not encoded; empty for a non-durable one without a name.
func (c *Cursor) Name() string { return c.name }

// Durable reports whether the cursor outlives the process.
func (c *Cursor) Durable() bool { return c.durable }

// MarkDelete is the position up to which everything is acknowledged.
func (c *Cursor) MarkDelete() bk.Position {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	return c.markDelete
}

// OnMoved sets what is called, off every lock, after the mark-delete moved, on the goroutine that moved it. Calls for two moves may
// overlap; take the greater.
func (c *Cursor) OnMoved(call func(markDelete bk.Position)) {
	c.l.mu.Lock()
	c.onMoved = call
	c.l.mu.Unlock()
}

// AckCumulative acknowledges everything up to p, p included: wholly, or with remaining (see Ack) but for these indexes of its
// batch. bk.Latest is the last entry; a position behind it is ignored. longs, when not nil, replace the properties tied to the
// mark-delete. It reports whether the mark-delete moved; going back is no error and changes nothing.
func (c *Cursor) AckCumulative(p bk.Position, remaining []int64, longs []LongProperty) bool {
	l := c.l
	l.mu.Lock()
	if c.closed {
		l.mu.Unlock()
		return false
	}
	switch p, remaining = c.targetLocked(p, remaining); {
	case remaining != nil && p.Compare(c.markDelete) <= 0:
		remaining = nil
	case remaining != nil && !c.keepLocked(p, remaining):
		p = l.chain.before(p)
	}
	moved := c.markDelete.Less(p)
	if moved {
		c.moveLocked(p)
	}
	if longs != nil {
		c.longs = slices.Clone(longs)
	}
	if moved || longs != nil || remaining != nil {
		c.dirtyLocked()
	}
	c.unlockMoved(moved)
	return moved
}

// targetLocked is the entry that a cumulative acknowledgement of p reaches: p, or the last one before it if p does not exist, and
// nothing new if p lies behind everything, where a consumer cannot be.
func (c *Cursor) targetLocked(p bk.Position, remaining []int64) (bk.Position, []int64) {
	lac := c.l.lac
	switch {
	case p == bk.Latest:
		return lac, nil
	case lac.Less(p):
		return c.markDelete, nil
	}
	q, ok := c.l.chain.atOrBefore(p)
	switch {
	case !ok:
		return c.markDelete, nil
	case q != p:
		remaining = nil
	}
	return q, remaining
}

// AckIndividual acknowledges single entries, or parts of batches, and sets Done of those that became wholly acknowledged.
// Entries that do not exist, or are acknowledged, are left as they are. It reports whether the mark-delete moved.
func (c *Cursor) AckIndividual(items []Ack) bool {
	l := c.l
	l.mu.Lock()
	if c.closed {
		l.mu.Unlock()
		return false
	}
	changed := false
	for i := range items {
		a := &items[i]
		a.Done = false
		if !c.openLocked(a.Position) {
			continue
		}
		changed = true
		if a.Remaining != nil && !c.keepLocked(a.Position, a.Remaining) {
			continue
		}
		a.Done = c.acks.set(a.Position)
		if c.batches != nil {
			delete(c.batches, a.Position)
		}
	}
	moved := false
	if to := c.reachLocked(c.markDelete); changed && c.markDelete.Less(to) {
		c.moveLocked(to)
		moved = true
	}
	if changed {
		c.dirtyLocked()
	}
	c.unlockMoved(moved)
	return moved
}

// openLocked reports whether p is an entry that exists and is not acknowledged.
func (c *Cursor) openLocked(p bk.Position) bool {
	if p.Entry < 0 || p.Compare(c.markDelete) <= 0 {
		return false
	}
	k := c.l.chain.find(p.Ledger)
	return k != nil && p.Entry < k.entries && !c.acks.has(p)
}

// keepLocked notes what remains of a batch, together with what was acknowledged of it before, and reports whether nothing does.
func (c *Cursor) keepLocked(p bk.Position, remaining []int64) (whole bool) {
	left := c.batches[p]
	if left == nil {
		left = slices.Clone(remaining)
	} else {
		left = left[:min(len(left), len(remaining))]
		for i := range left {
			left[i] &= remaining[i]
		}
	}
	for _, w := range left {
		if w != 0 {
			if c.batches == nil {
				c.batches = map[bk.Position][]int64{}
			}
			c.pruneLocked()
			c.batches[p] = left
			return false
		}
	}
	return true
}

// reachLocked is the last entry of the acknowledged run behind p; p when the entry behind it is open.
func (c *Cursor) reachLocked(p bk.Position) bk.Position {
	for c.acks.n > 0 {
		next, ok := c.l.chain.atOrAfter(bk.Position{Ledger: p.Ledger, Entry: p.Entry + 1})
		if !ok {
			break
		}
		end := c.acks.clearFrom(next.Ledger, next.Entry)
		if end == next.Entry {
			break
		}
		p = bk.Position{Ledger: next.Ledger, Entry: end - 1}
	}
	return p
}

// moveLocked sets the mark-delete to p and on through acknowledged entries behind it.
func (c *Cursor) moveLocked(p bk.Position) {
	from := c.markDelete.Ledger
	c.markDelete = p
	c.acks.dropThrough(p)
	if to := c.reachLocked(p); to != p {
		c.markDelete = to
		c.acks.dropThrough(to)
	}
	if p = c.markDelete; from != p.Ledger || c.l.chain.ends(p) {
		c.l.trimSoonLocked() // a ledger has been consumed
	}
}

// pruneLocked drops batch sets that the mark-delete passed. It looks at all of them, so it waits until they have doubled.
func (c *Cursor) pruneLocked() {
	if len(c.batches) < max(16, c.pruneAt) {
		return
	}
	maps.DeleteFunc(c.batches, func(q bk.Position, _ []int64) bool { return q.Compare(c.markDelete) <= 0 })
	c.pruneAt = 2 * len(c.batches)
}

// unlockMoved unlocks l.mu and tells of a moved mark-delete.
func (c *Cursor) unlockMoved(moved bool) {
	call, at := c.onMoved, c.markDelete
	c.l.mu.Unlock()
	if moved && call != nil {
		call(at)
	}
}

// IsAcked reports whether the entry is wholly acknowledged.
func (c *Cursor) IsAcked(p bk.Position) bool {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	return p.Compare(c.markDelete) <= 0 || c.acks.has(p)
}

// Remaining is the unacknowledged indexes of a partly acknowledged batch (see Ack), a copy; nil when no index is acknowledged or
// all are.
func (c *Cursor) Remaining(p bk.Position) []int64 {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	if p.Compare(c.markDelete) <= 0 {
		return nil
	}
	return slices.Clone(c.batches[p])
}

// Touched reports whether anything behind the mark-delete is acknowledged, wholly or in part. While it is not, nobody needs to ask
// about single entries.
func (c *Cursor) Touched() bool {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	return c.acks.n > 0 || len(c.batches) > 0
}

// Holes is how many pieces of state there are behind the mark-delete: runs of acknowledged entries and partly acknowledged batches.
// What exceeds Config.MaxRanges and MaxBatchSets is not kept over a restart.
func (c *Cursor) Holes() int {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	return c.acks.runs + len(c.batches)
}

// NextUnacked is the first entry at or behind from that is not acknowledged, or, when there is none yet, the place where the next
// will be.
func (c *Cursor) NextUnacked(from bk.Position) bk.Position {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	if from.Compare(c.markDelete) <= 0 {
		from = bk.Position{Ledger: c.markDelete.Ledger, Entry: c.markDelete.Entry + 1}
	}
	for {
		next, ok := c.l.chain.atOrAfter(from)
		if !ok {
			return from
		}
		end := c.acks.clearFrom(next.Ledger, next.Entry)
		if end == next.Entry {
			return next
		}
		from = bk.Position{Ledger: next.Ledger, Entry: end}
	}
}

// AckedRanges calls yield with each run of acknowledged entries behind the mark-delete, in order, until it returns false. It holds the
// managed ledger's lock: yield calls nothing of it.
func (c *Cursor) AckedRanges(yield func(ledger, first, last int64) bool) {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	c.acks.each(func(r ackRange) bool { return yield(r.ledger, r.first, r.last) })
}

// Backlog is how many entries are not wholly acknowledged.
func (c *Cursor) Backlog() int64 {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	return c.backlogLocked()
}

func (c *Cursor) backlogLocked() int64 {
	ch := &c.l.chain
	return max(0, ch.next-max(ch.ordinal(c.markDelete), ch.first())-c.acks.n)
}

// LongProperties are the properties tied to the mark-delete, a copy.
func (c *Cursor) LongProperties() []LongProperty {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	return slices.Clone(c.longs)
}

// Properties are the cursor's own properties (interop §7.7 cursorProperties), a copy.
func (c *Cursor) Properties() map[string]string {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	return maps.Clone(c.props)
}

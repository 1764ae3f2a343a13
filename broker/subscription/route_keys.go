package subscription

import (
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
)

// keys routes the entries of a key-shared subscription: every hash belongs to one consumer, and the entries of one hash are given out
// in order. A consumer that takes nothing now blocks only its own hashes. When a hash changes its consumer, the new one gets
// nothing of it before the former one has acknowledged or given back what it holds of it ("draining").
type keys struct {
	mode       KeyMode
	outOfOrder bool // hashes change their consumer at once
	ranges     ranges[*Consumer]
	able       int

	// draining counts the entries in flight of hashes that are no longer their holder's; waiting counts the entries that wait, by
	// hash: what was not read yet goes behind them. Both are empty as long as consumers neither change nor run out of permits.
	draining map[uint16]int32
	waiting  map[uint16]int32

	// stopped are the hashes of which an entry stayed behind in the present look at what waits: later ones stay too.
	stopped map[uint16]struct{}
	scratch []byte
}

func newKeys(mode KeyMode, outOfOrder bool) *keys {
	return &keys{mode: mode, outOfOrder: outOfOrder, draining: map[uint16]int32{}, waiting: map[uint16]int32{}, stopped: map[uint16]struct{}{}}
}

func (k *keys) join(d *shared, c *Consumer) *Refusal {
	switch {
	case c.o.KeyMode != k.mode || c.o.AllowOutOfOrder != k.outOfOrder:
		return Refuse(wire.ConsumerAssignError, fault.ConsumerBusy, "%s is in use with another key-shared policy", d.s.o.Name)
	case k.mode == Sticky && !k.ranges.claim(c, c.o.Ranges):
		return Refuse(wire.ConsumerAssignError, fault.ConsumerRanges, "%s: %v", d.s.o.Name, c.o.Ranges)
	case k.mode == AutoSplit:
		k.ranges.split(c)
	}
	k.drain(d)
	return nil
}

func (k *keys) leave(d *shared, c *Consumer) {
	if k.mode == Sticky {
		k.ranges.release(c)
	} else {
		k.ranges.merge(c)
	}
	k.drain(d)
}

// drain finds the hashes whose entries in flight are with a consumer that is not theirs any more.
func (k *keys) drain(d *shared) {
	clear(k.draining)
	if k.outOfOrder {
		return
	}
	d.window.each(func(_ bk.Position, sl *slot) bool {
		if sl.owner != nil && k.foreign(sl) {
			k.draining[sl.hash]++
		}
		return true
	})
}

func (k *keys) foreign(sl *slot) bool {
	owner, ok := k.ranges.owner(sl.hash)
	return !ok || owner != sl.owner
}

func (k *keys) freed(sl *slot) bool {
	if len(k.draining) == 0 || !k.foreign(sl) {
		return false
	}
	if k.draining[sl.hash]--; k.draining[sl.hash] > 0 {
		return false
	}
	delete(k.draining, sl.hash)
	return true
}

func (k *keys) begin(d *shared) bool {
	k.able = 0
	for _, c := range d.s.consumers {
		if c.ready = c.able(); c.ready {
			k.able++
		}
	}
	clear(k.stopped)
	return k.able > 0
}

func (k *keys) pick(_ *shared, _ bk.Position, sl *slot, m *wire.Metadata, again bool) (*Consumer, bool) {
	if k.able == 0 {
		return nil, false
	}
	k.note(sl, m)
	if !again && k.waiting[sl.hash] > 0 {
		return nil, true
	}
	if _, stop := k.stopped[sl.hash]; stop && again {
		return nil, true
	}
	return k.taker(sl.hash), true
}

func (k *keys) stop(sl *slot) { k.stopped[sl.hash] = struct{}{} }

func (k *keys) note(sl *slot, m *wire.Metadata) {
	if !sl.hashed {
		sl.hash, k.scratch = keyHash(m, k.scratch)
		sl.hashed = true
	}
}

// taker is who takes an entry of the hash now, or nil.
func (k *keys) taker(hash uint16) *Consumer {
	c, ok := k.ranges.owner(hash)
	if !ok || !c.ready || k.draining[hash] > 0 {
		return nil
	}
	return c
}

func (k *keys) mayTake(_ *shared, sl *slot) bool {
	if _, stop := k.stopped[sl.hash]; stop {
		return false
	}
	if c := k.taker(sl.hash); c != nil && c.picked < c.permits {
		c.picked++
		return true
	}
	k.stop(sl)
	return false
}

func (k *keys) gave(c *Consumer) {
	if c.ready && (c.permits <= 0 || c.blocked) {
		c.ready = false
		k.able--
	}
}

func (k *keys) waits(sl *slot) { k.waiting[sl.hash]++ }

func (k *keys) resumes(sl *slot) {
	if k.waiting[sl.hash]--; k.waiting[sl.hash] <= 0 {
		delete(k.waiting, sl.hash)
	}
}

func (k *keys) stats(d *shared, st *Stats) {
	st.OutOfOrder = k.outOfOrder
	for i, c := range d.s.consumers {
		st.Consumers[i].Ranges = k.ranges.of(c)
	}
}

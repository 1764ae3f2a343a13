package subscription

import (
	"math/bits"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/managed"
)

// shared is shared and key-shared: entries are spread over the consumers, each is remembered until it is acknowledged, and one that
// is given back, or that nobody may take now, waits in the window and goes before what was not read yet. Who gets an entry is
// the router's decision.
type shared struct {
	s      *Subscription
	router router
	window window

	unacked int64 // messages given out and not acknowledged
	blocked bool  // unacked reached the subscription's limit; open again at half of it
	holed   bool  // too much of what was given out is acknowledged out of order: nothing new before it closes
	held    int   // entries that wait without ever having been given out
	delays  delays

	// revisit says that something happened since the last look at what waits by which some of it may have become deliverable.
	revisit bool
	picked  []bk.Position
	scratch []managed.Entry
	fresh   slot // of the entry being decided about
}

// router decides who gets an entry. It keeps the ready marks of the consumers.
type router interface {
	join(d *shared, c *Consumer) *Refusal
	leave(d *shared, c *Consumer)
	// begin looks at who is able to take entries and reports whether anybody is.
	begin(d *shared) bool
	// pick decides about an entry whose metadata is m. nil with hold: it waits, others may be picked before it; nil without: nobody
	// takes anything now. sl is the entry's slot, of which the router keeps the hash; again says that it has been waiting.
	pick(d *shared, p bk.Position, sl *slot, m *wire.Metadata, again bool) (c *Consumer, hold bool)
	// note keeps in the slot what the router must know of an entry that is not given out yet.
	note(sl *slot, m *wire.Metadata)
	// gave tells that the consumer got an entry.
	gave(c *Consumer)
	// mayTake reports whether an entry that waits is worth reading now.
	mayTake(d *shared, sl *slot) bool
	// stop tells that an entry that waits stays behind in the present look: what has to follow it stays, too.
	stop(sl *slot)
	// waits and resumes tell of a slot that begins to wait, or no longer does.
	waits(sl *slot)
	resumes(sl *slot)
	// freed tells of a slot that is in flight with its owner no longer; true when others may have become deliverable by it.
	freed(sl *slot) bool
	stats(d *shared, st *Stats)
}

func newShared(s *Subscription, r router) *shared { return &shared{s: s, router: r} }

func (d *shared) join(c *Consumer) *Refusal {
	if r := d.router.join(d, c); r != nil {
		return r
	}
	d.revisit = true
	return nil
}

func (d *shared) leave(c *Consumer) {
	d.takeBack(c, false)
	d.router.leave(d, c)
	d.revisit = true
}

// takeBack makes everything that c holds wait.
func (d *shared) takeBack(c *Consumer, count bool) {
	d.window.each(func(p bk.Position, sl *slot) bool {
		if sl.owner == c {
			d.giveBack(p, sl, count)
		}
		return true
	})
}

// giveBack makes an entry in flight wait for its next delivery.
func (d *shared) giveBack(p bk.Position, sl *slot, count bool) {
	d.settle(sl)
	sl.owner = nil
	if count {
		sl.redelivery++
	}
	d.window.wait(p)
	d.router.waits(sl)
	d.revisit = true
}

// settle takes an entry in flight off its owner's account.
func (d *shared) settle(sl *slot) {
	d.discharge(sl, sl.charged)
	if d.router.freed(sl) {
		d.revisit = true
	}
}

// discharge takes messages off the accounts of unacknowledged ones.
func (d *shared) discharge(sl *slot, n int32) {
	sl.charged -= n
	d.unacked -= int64(n)
	c := sl.owner
	c.unacked -= n
	if c.blocked && int(c.unacked) <= d.s.o.Limits.UnackedPerConsumer/2 {
		c.blocked = false
		d.revisit = true
	}
	if d.blocked && d.unacked <= int64(d.s.o.Limits.UnackedPerSubscription/2) {
		d.blocked = false
		d.revisit = true
	}
}

// charge gives an entry of n unacknowledged messages to c.
func (d *shared) charge(sl *slot, c *Consumer, n int32) {
	sl.owner, sl.charged = c, n
	c.unacked += n
	d.unacked += int64(n)
	l := d.s.o.Limits
	c.blocked = l.UnackedPerConsumer > 0 && int(c.unacked) >= l.UnackedPerConsumer
	d.blocked = l.UnackedPerSubscription > 0 && d.unacked >= int64(l.UnackedPerSubscription)
}

func (d *shared) dispatch(news bool) {
	d.revisit = d.revisit || news
	d.s.lackForward = false
	d.ripen()
	if d.blocked || !d.router.begin(d) {
		return
	}
	if d.revisit {
		d.replay()
	}
	if len(d.s.lackReplay) == 0 { // what waits goes first, also when it has to be read first
		d.forward()
	}
}

// give hands an entry to its consumer.
func (d *shared) give(c *Consumer, e managed.Entry, sl *slot, remaining []int64) {
	d.charge(sl, c, d.s.meta.Messages-acknowledged(remaining, d.s.meta.Messages))
	d.s.sendLocked(c, e, sl.redelivery, remaining)
	d.router.gave(c)
}

// acknowledged is how many of n messages of a batch have no bit in remaining.
func acknowledged(remaining []int64, n int32) int32 {
	if remaining == nil {
		return 0
	}
	return max(0, n-count(remaining))
}

// count is the number of bits in an ack set.
func count(set []int64) (n int32) {
	for _, w := range set {
		n += int32(bits.OnesCount64(uint64(w)))
	}
	return n
}

// forward gives out entries that were not read before.
func (d *shared) forward() {
	s := d.s
	if d.holed = d.torn(); d.holed {
		return
	}
	s.feed.want = d.permits()
	for sent := 0; !d.blocked; {
		if d.held >= s.o.Limits.LookAhead && s.o.Limits.LookAhead > 0 || len(d.delays.queue) >= delayLimit {
			return
		}
		e := s.feed.peek()
		if e == nil {
			s.lackForward = !s.feed.caughtUp()
			return
		}
		remaining, ok := s.admitEntryLocked(e, e.Position.Compare(s.feed.suspect) <= 0)
		if !ok {
			t := s.feed.take()
			t.Payload.Release()
			continue
		}
		if at := s.meta.DeliverAt; at > 0 && at > s.o.Now().UnixMilli() {
			t := s.feed.take()
			sl := d.window.add(t.Position)
			d.router.note(sl, &s.meta)
			d.hold(t.Position, sl, at)
			d.ripen()
			t.Payload.Release()
			continue
		}
		d.fresh = slot{}
		c, hold := d.router.pick(d, e.Position, &d.fresh, &s.meta, false)
		if c == nil && !hold {
			return
		}
		t := s.feed.take()
		at := d.window.add(t.Position)
		*at = d.fresh
		if c == nil {
			at.held = true
			d.held++
			d.window.wait(t.Position)
			d.router.waits(at)
			t.Payload.Release()
			continue
		}
		d.give(c, t, at, remaining)
		if sent++; sent%s.o.Limits.ReadEntries == 0 {
			s.flushLocked()
			if !d.router.begin(d) {
				return
			}
			if d.holed = d.torn(); d.holed {
				return
			}
			s.feed.want = d.permits()
		}
	}
}

// torn reports whether the cursor has as many holes as it can keep over a restart.
func (d *shared) torn() bool {
	limit := d.s.o.Limits.AckHoles
	return limit > 0 && d.s.o.Cursor.Holes() >= limit
}

// permits is how many entries the consumers that are ready take at most.
func (d *shared) permits() (n int) {
	for _, c := range d.s.consumers {
		if c.ready {
			n += int(c.permits)
		}
	}
	return n
}

func (d *shared) ack(_ *Consumer, acks []Ack, cumulative bool) *Refusal {
	s := d.s
	if cumulative {
		return Refuse(wire.NotAllowedError, fault.AckCumulative, "%s is %v", s.o.Name, s.typ)
	}
	items := s.cursorAcksLocked(acks)
	s.o.Cursor.AckIndividual(items)
	for i := range items {
		a := &items[i]
		sl := d.window.get(a.Position)
		switch {
		case sl == nil:
			// Acknowledged before, or delivered by an earlier life of the topic, which is found out when it is read.
		case a.Done || a.Remaining == nil:
			d.gone(a.Position, sl)
		case sl.owner != nil:
			if left := count(s.o.Cursor.Remaining(a.Position)); left < sl.charged {
				d.discharge(sl, sl.charged-left)
			}
		}
	}
	clear(items)
	if d.revisit || d.holed && !d.torn() {
		s.dispatchLocked(false)
	}
	return nil
}

// gone removes an entry that is wholly acknowledged.
func (d *shared) gone(p bk.Position, sl *slot) {
	if sl.owner == nil {
		d.forget(p, sl)
		return
	}
	d.settle(sl)
	d.window.remove(p)
}

func (d *shared) redeliver(c *Consumer, ids []bk.Position) {
	if ids == nil {
		d.takeBack(c, true)
		return
	}
	for _, p := range ids {
		if sl := d.window.get(p); sl != nil && sl.owner == c {
			d.giveBack(p, sl, true)
		}
	}
}

func (d *shared) passed(p bk.Position) {
	d.window.removeThrough(p, func(_ bk.Position, sl *slot) {
		if sl.owner != nil {
			d.settle(sl)
			return
		}
		d.resumes(sl)
	})
	if d.s.feed.at().Compare(p) <= 0 {
		d.s.jumpLocked(p)
	}
	d.revisit = true
}

func (d *shared) reset() {
	d.disarm()
	d.delays.queue = nil
	d.window.each(func(p bk.Position, sl *slot) bool {
		d.gone(p, sl)
		return true
	})
}

func (d *shared) push(ds []Delivery) (dropped int) {
	if !d.router.begin(d) {
		return len(ds)
	}
	for i := range ds {
		peek(ds[i].Payload.B, &d.s.meta)
		d.fresh = slot{}
		c, _ := d.router.pick(d, ds[i].Position, &d.fresh, &d.s.meta, false)
		if c == nil {
			dropped++
			continue
		}
		pushTo(c, ds[i])
		d.router.gave(c)
	}
	return dropped
}

func (d *shared) stats(st *Stats) {
	st.Unacked = d.unacked
	st.Redeliver = int64(d.window.waiting - d.held)
	st.Delayed = int64(len(d.delays.queue))
	st.HeldBack = int64(d.held)
	st.Blocked = d.blocked || d.holed
	d.router.stats(d, st)
}

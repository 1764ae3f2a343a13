package subscription

import (
	"slices"
	"sort"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/managed"
)

// single is exclusive and failover: one consumer at a time gets entries, in order. It remembers no entry: what a consumer has not
// acknowledged is read again from the mark-delete when the consumer changes or asks for redelivery.
type single struct {
	s      *Subscription
	active *Consumer

	// rewinds are, ascending, the positions from which delivery was taken back at the consumer's request. An entry before one of them
	// had been delivered then, so that its redelivery count is how many of them lie behind it.
	rewinds []bk.Position
}

// rewindLimit bounds rewinds; beyond it counts are too low by what was forgotten.
const rewindLimit = 1024

func (d *single) join(c *Consumer) *Refusal {
	d.choose(c)
	return nil
}

func (d *single) leave(c *Consumer) {
	if c == d.active {
		d.active = nil
		d.choose(nil)
	}
}

// choose settles who is active. A newcomer that is not is told so.
func (d *single) choose(newcomer *Consumer) {
	s := d.s
	cs := make([]candidate, len(s.consumers))
	for i, c := range s.consumers {
		cs[i] = candidate{c.o.Name, c.o.Priority, c.seq}
	}
	i := chooseActive(cs, s.o.Partition, s.o.Topic)
	if i >= 0 && s.consumers[i] != d.active {
		former := d.active
		d.active = s.consumers[i]
		d.rewind()
		if s.typ == Failover {
			if former != nil {
				former.o.Outlet.ActiveChanged(former, false)
			}
			d.active.o.Outlet.ActiveChanged(d.active, true)
		}
	}
	if newcomer != nil && newcomer != d.active && s.typ == Failover {
		newcomer.o.Outlet.ActiveChanged(newcomer, false)
	}
}

// rewind goes back to the first entry that is not acknowledged.
func (d *single) rewind() {
	if d.s.o.Cursor != nil {
		d.s.jumpLocked(d.s.o.Cursor.MarkDelete())
	}
}

func (d *single) dispatch(bool) {
	s, c := d.s, d.active
	s.lackForward = false
	for c != nil && c.able() {
		given := 0
		s.feed.want = int(c.permits)
		for c.permits > 0 && given < s.o.Limits.ReadEntries {
			e := s.feed.peek()
			if e == nil {
				s.lackForward = !s.feed.caughtUp()
				break
			}
			given++
			suspect := e.Position.Compare(s.feed.suspect) <= 0
			remaining, ok := s.admitEntryLocked(e, suspect)
			taken := s.feed.take()
			if !ok {
				taken.Payload.Release()
				continue
			}
			s.sendLocked(c, taken, d.redelivery(taken.Position), remaining)
		}
		if len(c.out) > 0 {
			s.flushConsumerLocked(c)
		}
		if given == 0 {
			return
		}
	}
}

func (d *single) redelivery(p bk.Position) uint32 {
	if len(d.rewinds) == 0 {
		return 0
	}
	i := sort.Search(len(d.rewinds), func(i int) bool { return p.Less(d.rewinds[i]) })
	return uint32(len(d.rewinds) - i)
}

func (d *single) replayed(_ []bk.Position, es []managed.Entry) { releaseAll(es) } // single asks for none

func (d *single) ack(_ *Consumer, acks []Ack, cumulative bool) *Refusal {
	s := d.s
	if cumulative {
		s.o.Cursor.AckCumulative(acks[0].Position, acks[0].remaining(), nil)
	} else {
		s.o.Cursor.AckIndividual(s.cursorAcksLocked(acks))
	}
	return nil
}

func (d *single) redeliver(c *Consumer, ids []bk.Position) {
	if c != d.active || d.s.o.Cursor == nil {
		return
	}
	markDelete := d.s.o.Cursor.MarkDelete()
	d.rewinds = slices.DeleteFunc(d.rewinds, func(p bk.Position) bool { return p.Compare(markDelete) <= 0 })
	if at := d.s.feed.at(); markDelete.Less(at) {
		i, _ := slices.BinarySearchFunc(d.rewinds, at, bk.Position.Compare)
		d.rewinds = slices.Insert(d.rewinds, i, at)
		if len(d.rewinds) > rewindLimit {
			d.rewinds = slices.Delete(d.rewinds, 0, 1)
		}
	}
	d.rewind()
}

func (d *single) passed(p bk.Position) {
	if d.s.feed.at().Compare(p) <= 0 {
		d.s.jumpLocked(p)
	}
}

func (d *single) reset() { d.rewinds = nil }

func (d *single) push(ds []Delivery) (dropped int) {
	c := d.active
	for i := range ds {
		if c == nil || !c.able() {
			return dropped + len(ds) - i
		}
		pushTo(c, ds[i])
	}
	return dropped
}

// pushTo queues an entry of a non-persistent topic, whose payload is lent, for a consumer.
func pushTo(c *Consumer, d Delivery) {
	d.Payload = d.Payload.Retain()
	d.Epoch = c.epoch
	c.out = append(c.out, d)
	c.permits -= d.Messages
}

func (d *single) stats(st *Stats) {
	if d.active != nil {
		st.ActiveConsumer = d.active.o.Name
	}
}

package subscription

import (
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/managed"
)

// Ack is one message id of an ACK command.
type Ack struct {
	Position bk.Position
	// AckSet holds the bits of batch indexes that are still unacknowledged; empty: the whole entry is acknowledged. Lent until the
	// call returns.
	AckSet []int64
}

// remaining is AckSet as managed wants it: nil for the whole entry.
func (a *Ack) remaining() []int64 {
	if len(a.AckSet) == 0 {
		return nil
	}
	return a.AckSet
}

func (s *Subscription) ack(c *Consumer, acks []Ack, cumulative bool) *Refusal {
	if len(acks) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.closed || s.o.Cursor == nil {
		return nil
	}
	if r := s.d.ack(c, acks, cumulative); r != nil {
		return r
	}
	n := counters{acked: uint64(len(acks)), lastAcked: s.o.Now().UnixMilli()}
	c.counters.add(n)
	s.counters.add(n)
	s.endLocked()
	return nil
}

// cursorAcksLocked is acks as the cursor takes them, in s.acks. An entry that was not given out since the topic was loaded was given
// out before that; it must not be once more.
func (s *Subscription) cursorAcksLocked(acks []Ack) []managed.Ack {
	s.acks = s.acks[:0]
	at := s.feed.at()
	for i := range acks {
		if p := acks[i].Position; !p.Less(at) && s.feed.suspect.Less(p) {
			s.feed.suspect = p
		}
		s.acks = append(s.acks, managed.Ack{Position: acks[i].Position, Remaining: acks[i].remaining()})
	}
	return s.acks
}

// redeliver: see Consumer.Redeliver.
func (s *Subscription) redeliver(c *Consumer, ids []bk.Position, epoch int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.closed {
		return
	}
	if epoch >= 0 {
		c.epoch = max(c.epoch, uint64(epoch))
	}
	s.d.redeliver(c, ids)
	s.dispatchLocked(true)
}

func (s *Subscription) again(c *Consumer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.closed {
		return
	}
	c.permits = 0
	s.d.redeliver(c, nil)
	s.dispatchLocked(true)
}

package subscription

import (
	"crypto/rand"
	"encoding/hex"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/managed"
)

// dispatchLocked gives out what can be given and has read from disk what is missing for more.
func (s *Subscription) dispatchLocked(news bool) {
	if s.state != open || len(s.consumers) == 0 || s.o.Ledger == nil {
		return
	}
	s.d.dispatch(news)
	s.flushLocked()
	if (s.lackForward || len(s.lackReplay) > 0) && !s.reading {
		s.reading = true
		s.reads.Add(1)
		go s.fetch()
	}
}

// fetch reads from disk and dispatches, until nothing is missing that somebody would take.
func (s *Subscription) fetch() {
	defer s.reads.Done()
	var pause time.Duration
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.state == open && (s.lackForward || len(s.lackReplay) > 0) {
		life, from := s.life, s.feed.next
		replay := append([]bk.Position(nil), s.lackReplay...)
		s.mu.Unlock()
		es, err := s.fetchOnce(from, replay, &pause)
		s.mu.Lock()
		switch {
		case life != s.life:
			releaseAll(es) // a seek, or nobody is there any more: dispatch has said anew what it lacks
			continue
		case err != nil:
			s.log.Warn("cannot read", "position", from, "err", err)
			continue
		case len(replay) > 0:
			s.lackReplay = s.lackReplay[:0]
			s.d.replayed(replay, es)
		case s.feed.head == len(s.feed.ahead) && s.feed.next == from:
			s.lackForward = false
			s.feed.put(es)
		default:
			releaseAll(es)
			s.lackForward = false
		}
		s.dispatchLocked(false)
	}
	s.reading = false
}

// fetchOnce reads once, in one of the process's slots. After an error it first waits, longer each time.
func (s *Subscription) fetchOnce(from bk.Position, replay []bk.Position, pause *time.Duration) ([]managed.Entry, error) {
	if *pause > 0 {
		t := time.NewTimer(*pause)
		defer t.Stop()
		select {
		case <-t.C:
		case <-s.ctx.Done():
			return nil, s.ctx.Err()
		}
	}
	if !s.o.Readers.acquire(s.ctx) {
		return nil, s.ctx.Err()
	}
	defer s.o.Readers.release()
	var es []managed.Entry
	var err error
	if len(replay) > 0 {
		es, err = s.readEach(replay)
	} else {
		es, err = s.feed.read(s.ctx, s.o.Cursor.NextUnacked(from))
	}
	if err != nil {
		*pause = min(max(2**pause, 50*time.Millisecond), 5*time.Second)
		return nil, err
	}
	*pause = 0
	return es, nil
}

// readEach reads the entries at the given positions, consecutive ones together. Those that exist no longer are left out.
func (s *Subscription) readEach(ps []bk.Position) ([]managed.Entry, error) {
	var out []managed.Entry
	budget := s.o.Limits.ReadBytes
	for i := 0; i < len(ps) && budget > 0; {
		n := 1
		for i+n < len(ps) && ps[i+n] == after(ps[i+n-1]) {
			n++
		}
		es, err := s.o.Ledger.Read(s.ctx, ps[i], n, budget)
		if err != nil {
			if len(out) > 0 {
				return out, nil
			}
			return nil, err
		}
		last := ps[i+n-1]
		for j, e := range es {
			if last.Less(e.Position) {
				releaseAll(es[j:])
				break
			}
			budget -= len(e.Payload.B)
			out = append(out, e)
		}
		if len(es) > 0 && es[len(es)-1].Position.Less(last) {
			for i < len(ps) && ps[i].Compare(es[len(es)-1].Position) <= 0 {
				i++
			}
			continue
		}
		i += n
	}
	return out, nil
}

func releaseAll(es []managed.Entry) {
	for i := range es {
		es[i].Payload.Release()
	}
}

// admitLocked looks at an entry that is about to be given out, decoding its metadata into s.meta: markers and what is acknowledged
// already go no further. remaining is what is left of a batch that is partly acknowledged.
func (s *Subscription) admitEntryLocked(e *managed.Entry, suspect bool) (remaining []int64, ok bool) {
	peek(e.Payload.B, &s.meta)
	if suspect {
		if s.o.Cursor.IsAcked(e.Position) {
			return nil, false
		}
		remaining = s.o.Cursor.Remaining(e.Position)
	}
	if s.meta.Marker != 0 {
		s.o.Cursor.AckIndividual([]managed.Ack{{Position: e.Position}})
		return nil, false
	}
	return remaining, true
}

// sendLocked queues one entry for a consumer and charges its permits; s.meta is the entry's. The payload changes hands.
func (s *Subscription) sendLocked(c *Consumer, e managed.Entry, redelivery uint32, remaining []int64) {
	c.out = append(c.out, Delivery{
		Position: e.Position, Payload: e.Payload, Redelivery: redelivery, AckSet: remaining, Messages: s.meta.Messages, Epoch: c.epoch,
	})
	c.permits -= s.meta.Messages
}

// flushLocked hands what is queued to the connections.
func (s *Subscription) flushLocked() {
	for _, c := range s.consumers {
		if len(c.out) > 0 {
			s.flushConsumerLocked(c)
		}
	}
}

func (s *Subscription) flushConsumerLocked(c *Consumer) {
	var n counters
	for i := range c.out {
		d := &c.out[i]
		n.entriesOut++
		n.messagesOut += uint64(d.Messages)
		n.bytesOut += uint64(len(d.Payload.B))
		if d.Redelivery > 0 {
			n.redelivered += uint64(d.Messages)
		}
	}
	n.lastConsumed = s.o.Now().UnixMilli()
	c.counters.add(n)
	s.counters.add(n)
	c.o.Outlet.Deliver(c, c.out)
	clear(c.out)
	c.out = c.out[:0]
}

// able reports whether the consumer takes entries now.
func (c *Consumer) able() bool {
	return !c.closed && c.permits > 0 && !c.blocked && !c.o.Outlet.Congested()
}

func (s *Subscription) flow(c *Consumer, permits uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.closed {
		return
	}
	// A client that grants without end does not wrap around to none.
	c.permits = int32(min(int64(c.permits)+int64(permits), 1<<30))
	c.counters.lastFlow = s.o.Now().UnixMilli()
	s.counters.lastFlow = c.counters.lastFlow
	s.dispatchLocked(true)
}

func (s *Subscription) drained(c *Consumer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.closed {
		s.dispatchLocked(true)
	}
}

// randomName is a name for a consumer that gave none.
func randomName() string {
	var b [5]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

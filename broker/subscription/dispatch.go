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
	if !s.giveLocked(news) {
		return
	}
	if s.lacksLocked() && !s.reading {
		s.reading = true
		s.reads.Add(1)
		go s.fetch()
	}
}

// giveLocked gives out what can be given, and notes what is missing for more; false: there is nobody to give to.
func (s *Subscription) giveLocked(news bool) bool {
	if s.state != open || len(s.consumers) == 0 || s.o.Ledger == nil {
		return false
	}
	s.d.dispatch(news)
	s.flushLocked()
	return true
}

func (s *Subscription) lacksLocked() bool { return s.lackForward || len(s.lackReplay) > 0 }

// job is one read from disk.
type job struct {
	life    uint64
	from    bk.Position
	entries int
	bytes   int
	replay  []bk.Position // instead: these
}

// fetch reads from disk and dispatches, until nothing is missing that somebody would take. It gives its slot back behind the dispatch, and
// asks once more before it reads whether somebody would take it: of thousands of subscriptions of one connection all would find
// room in its output, and then have read more than there is.
func (s *Subscription) fetch() {
	defer s.reads.Done()
	var pause time.Duration
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.state == open && s.lacksLocked() {
		s.mu.Unlock()
		slot := s.slot(pause)
		s.mu.Lock()
		if !slot {
			break
		}
		given := s.giveLocked(false)
		if given && s.lacksLocked() {
			s.fetchOneLocked(&pause)
		}
		s.o.Readers.release()
		if !given {
			break
		}
	}
	s.reading = false
}

// fetchOneLocked reads once and dispatches. After an error the next read waits, longer each time.
func (s *Subscription) fetchOneLocked(pause *time.Duration) {
	j := job{
		life: s.life, from: s.feed.next, entries: s.feed.want, bytes: s.o.Limits.ReadBytes,
		replay: append([]bk.Position(nil), s.lackReplay...),
	}
	s.mu.Unlock()
	at, es, err := s.read(j)
	s.mu.Lock()
	if err != nil {
		*pause = min(max(2**pause, 50*time.Millisecond), 5*time.Second)
		if j.life == s.life && s.state == open {
			s.log.Warn("cannot read", "position", j.from, "err", err)
		}
		return
	}
	*pause = 0
	switch {
	case j.life != s.life:
		releaseAll(es) // a seek, or nobody is there any more: dispatch has said anew what it lacks
		return
	case len(j.replay) > 0:
		s.lackReplay = s.lackReplay[:0]
		s.d.replayed(j.replay, es)
	case s.feed.head == len(s.feed.ahead) && s.feed.next == j.from:
		s.feed.put(at, es)
	default:
		releaseAll(es) // it came from the cache meanwhile
	}
	s.giveLocked(false)
}

// slot waits for one of the process's slots after a pause; false: the subscription ends.
func (s *Subscription) slot(pause time.Duration) bool {
	if pause > 0 {
		t := time.NewTimer(pause)
		defer t.Stop()
		select {
		case <-t.C:
		case <-s.ctx.Done():
			return false
		}
	}
	return s.o.Readers.acquire(s.ctx)
}

// read reads once. Reading on, it skips what is acknowledged already and returns where it then began.
func (s *Subscription) read(j job) (at bk.Position, es []managed.Entry, err error) {
	if len(j.replay) > 0 {
		es, err = s.readEach(j)
		return at, es, err
	}
	at = s.o.Cursor.NextUnacked(j.from)
	es, err = s.o.Ledger.Read(s.ctx, at, j.entries, j.bytes)
	return at, es, err
}

// readEach reads the entries that a job names, consecutive ones together, as far as its bytes go. Those that exist no longer are left
// out. After an error it returns what was read before it, if anything was.
func (s *Subscription) readEach(j job) (out []managed.Entry, err error) {
	for i := 0; i < len(j.replay) && j.bytes > 0; {
		end := i + 1
		for end < len(j.replay) && j.replay[end] == after(j.replay[end-1]) {
			end++
		}
		es, err := s.o.Ledger.Read(s.ctx, j.replay[i], end-i, j.bytes)
		if err != nil && len(out) == 0 {
			return nil, err
		}
		if err != nil {
			return out, nil
		}
		last := j.replay[end-1]
		for k, e := range es {
			if last.Less(e.Position) { // what was asked for is gone
				releaseAll(es[k:])
				es = es[:k]
				break
			}
			j.bytes -= len(e.Payload.B)
		}
		out = append(out, es...)
		if len(es) == 0 {
			i = end
			continue
		}
		for got := es[len(es)-1].Position; i < end && j.replay[i].Compare(got) <= 0; {
			i++
		}
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

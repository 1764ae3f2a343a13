package subscription

import (
	"context"
	"time"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/managed"
)

// Seek moves the subscription so that p is delivered next (bk.Earliest, bk.Latest: the ends); with an ackSet, only those of p's batch
// indexes that have a bit. Every consumer is disconnected and comes back as a new one; acknowledgements on their way are
// ignored. When it returns nil the new position is durable, if the subscription is. After an error the subscription stands
// where it stood.
func (s *Subscription) Seek(ctx context.Context, p bk.Position, ackSet []int64) error {
	return s.move(ctx, func() error {
		if err := s.o.Cursor.Reset(ctx, p); err != nil || len(ackSet) == 0 {
			return err
		}
		s.o.Cursor.AckIndividual([]managed.Ack{{Position: p, Remaining: ackSet}})
		return s.o.Cursor.Flush(ctx)
	})
}

// SeekTime moves the subscription to the first entry published at or after t. Otherwise as Seek.
func (s *Subscription) SeekTime(ctx context.Context, t time.Time) error {
	return s.move(ctx, func() error {
		p, err := FirstPublishedAt(ctx, s.o.Ledger, t)
		if err != nil {
			return err
		}
		return s.o.Cursor.Reset(ctx, p)
	})
}

// Skip acknowledges the next n entries that are not acknowledged (all of them when n is negative), without telling consumers. It is
// as durable as an acknowledgement.
func (s *Subscription) Skip(n int64) error {
	if s.o.Cursor == nil {
		return s.notPersistent()
	}
	to := s.o.Ledger.LastConfirmed()
	if n >= 0 && n < s.o.Cursor.Backlog() {
		to = s.o.Cursor.MarkDelete()
		for ; n > 0; n-- {
			to = s.o.Cursor.NextUnacked(after(to))
		}
	}
	s.pass(to)
	return nil
}

// ExpireBefore acknowledges every entry that was published before t and returns how many those are.
func (s *Subscription) ExpireBefore(ctx context.Context, t time.Time) (int64, error) {
	if s.o.Cursor == nil {
		return 0, s.notPersistent()
	}
	to, ok, err := s.o.Ledger.FindNewest(ctx, s.o.Cursor.MarkDelete(), func(payload []byte) bool { return publishedBefore(payload, t) })
	if err != nil || !ok {
		return 0, err
	}
	n := s.pass(to)
	s.mu.Lock()
	s.expired += uint64(n)
	s.mu.Unlock()
	return n, nil
}

// ExpireThrough acknowledges everything up to p and returns how many entries those are.
func (s *Subscription) ExpireThrough(p bk.Position) (int64, error) {
	if s.o.Cursor == nil {
		return 0, s.notPersistent()
	}
	return s.pass(p), nil
}

// pass acknowledges everything up to p and returns how many entries those were.
func (s *Subscription) pass(p bk.Position) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.o.Cursor.Backlog()
	s.o.Cursor.AckCumulative(p, nil, nil)
	if s.d != nil {
		s.d.passed(s.o.Cursor.MarkDelete())
		s.dispatchLocked(true)
	}
	s.endLocked()
	return before - s.o.Cursor.Backlog()
}

// move disconnects the consumers, has reset change the cursor's position without locks, and goes on there.
func (s *Subscription) move(ctx context.Context, reset func() error) error {
	if s.o.Cursor == nil {
		return s.notPersistent()
	}
	if err := s.beginMove(ctx); err != nil {
		return err
	}
	err := reset()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != moving {
		return Refuse(wire.ServiceNotReady, fault.SubscriptionGoing, "%s", s.o.Name) // closed meanwhile
	}
	s.state = open
	s.idle = s.o.Now()
	close(s.moved)
	s.jumpLocked(s.o.Cursor.MarkDelete())
	if err != nil {
		return Refuse(wire.MetadataError, fault.SubscriptionSeek, "%s: %w", s.o.Name, err)
	}
	return nil
}

func (s *Subscription) beginMove(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.state == moving {
		moved := s.moved
		s.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
		}
		s.mu.Lock()
		if ctx.Err() != nil {
			return Refuse(wire.ServiceNotReady, fault.SubscriptionGoing, "%s: %w", s.o.Name, ctx.Err())
		}
	}
	if s.state == closed {
		return Refuse(wire.ServiceNotReady, fault.SubscriptionGoing, "%s", s.o.Name)
	}
	s.state, s.moved = moving, make(chan struct{})
	if s.d != nil {
		s.disconnectLocked()
		s.d.reset()
	}
	s.dropReadLocked()
	return nil
}

func (s *Subscription) notPersistent() *Refusal {
	return Refuse(wire.NotAllowedError, fault.TopicNotPersistent, "%s", s.o.Topic)
}

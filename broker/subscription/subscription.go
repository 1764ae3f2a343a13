package subscription

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/managed"
)

// Subscription is one subscription of one topic: its consumers and what they are sent. All methods are safe for concurrent use.
type Subscription struct {
	o   Options
	log *slog.Logger

	mu        sync.Mutex // guards all below
	state     state
	moved     chan struct{} // while moving: closed when the move is over
	typ       Type
	d         dispatcher  // nil until the first consumer settles the type
	consumers []*Consumer // in order of arrival
	arrivals  uint64
	idle      time.Time // since when there is no consumer
	feed      feed
	meta      wire.Metadata // scratch
	acks      []managed.Ack // scratch
	ended     bool          // the topic is terminated
	counters  counters      // of all consumers there ever were
	expired   uint64
	dropped   uint64

	// What dispatch lacks from disk, and whether a goroutine is reading it. life counts up when what is being read became useless.
	lackForward bool
	lackReplay  []bk.Position
	reading     bool
	life        uint64

	ctx    context.Context // of the transient reader
	cancel context.CancelFunc
	reads  sync.WaitGroup
}

type state uint8

const (
	open   state = iota
	moving       // a seek is going on; consumers wait to come back
	closed
)

// dispatcher is one way of spreading entries. All methods are called under Subscription.mu.
type dispatcher interface {
	// join takes in the consumer, which is in s.consumers already; or refuses it.
	join(c *Consumer) *Refusal
	// leave takes it out; it is in s.consumers no longer. What it held is delivered to others.
	leave(c *Consumer)
	// dispatch gives out what can be given. With news, consumers can take more than at the last call: permits, acknowledgements,
	// joining and leaving; without, only the topic's end moved.
	dispatch(news bool)
	// replayed brings entries that were asked for by lackReplay, in order, as far as they exist; the payloads change hands.
	replayed(asked []bk.Position, es []managed.Entry)
	// ack acknowledges. The consumer is attached.
	ack(c *Consumer, acks []Ack, cumulative bool) *Refusal
	// redeliver takes back entries from the consumer: ids, or all when nil.
	redeliver(c *Consumer, ids []bk.Position)
	// passed tells that everything up to p was acknowledged by other means than ack.
	passed(p bk.Position)
	// reset forgets everything that was read and given out.
	reset()
	// push gives entries of a non-persistent topic to whoever takes them now and returns how many nobody took.
	push(ds []Delivery) (dropped int)
	// stats fills in what the dispatcher knows.
	stats(st *Stats)
}

// New makes a subscription that goes on where its cursor stands. It starts nothing and reads nothing before a consumer asks.
func New(o Options) *Subscription {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Limits = o.Limits.withDefaults()
	s := &Subscription{o: o, log: o.Log.With("subscription", o.Name), idle: o.Now()}
	s.feed = feed{ledger: o.Ledger, limits: o.Limits}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if o.Ledger != nil {
		_, s.ended = o.Ledger.Terminated()
	}
	return s
}

// Name is the subscription's name.
func (s *Subscription) Name() string { return s.o.Name }

// Durable reports whether the subscription outlives its consumers.
func (s *Subscription) Durable() bool { return s.o.Cursor != nil && s.o.Cursor.Durable() }

// Cursor is where the subscription keeps its position; nil on a non-persistent topic.
func (s *Subscription) Cursor() *managed.Cursor { return s.o.Cursor }

// AddConsumer attaches a consumer. The first one settles the subscription's type. It waits while the subscription is being moved.
// A *Refusal when it cannot be: busy (exclusive and taken), another type, too many consumers, ranges that overlap, a
// subscription that was closed.
//
// The new consumer has no permits, so that nothing is delivered before its first Flow; but ActiveChanged and EndOfTopic may be
// called before AddConsumer returns: the connection sends its SUCCESS first.
func (s *Subscription) AddConsumer(ctx context.Context, typ Type, o ConsumerOptions) (*Consumer, error) {
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
			return nil, Refuse(wire.ServiceNotReady, fault.SubscriptionGoing, "%s: %w", s.o.Name, ctx.Err())
		}
	}
	if r := s.admitLocked(typ, len(s.consumers)); r != nil {
		return nil, r
	}
	s.settleLocked(typ, o)
	s.arrivals++
	now := s.o.Now()
	c := &Consumer{sub: s, o: o, seq: s.arrivals, joined: now, epoch: o.Epoch}
	if c.o.Name == "" {
		c.o.Name = randomName()
	}
	s.consumers = append(s.consumers, c)
	if r := s.d.join(c); r != nil {
		c.closed = true
		s.consumers = s.consumers[:len(s.consumers)-1]
		return nil, r
	}
	s.endLocked()
	return c, nil
}

func (s *Subscription) admitLocked(typ Type, there int) *Refusal {
	switch {
	case !typ.Valid():
		return Refuse(wire.NotAllowedError, fault.ConsumerBusy, "%s: no such subscription type %d", s.o.Name, int32(typ))
	case s.state == closed:
		return Refuse(wire.ServiceNotReady, fault.SubscriptionGoing, "%s", s.o.Name)
	case there > 0 && typ != s.typ:
		return Refuse(wire.ConsumerBusy, fault.ConsumerBusy, "%s is in use as %v, not %v", s.o.Name, s.typ, typ)
	case there > 0 && typ == Exclusive:
		return Refuse(wire.ConsumerBusy, fault.ConsumerBusy, "%s has consumer %q", s.o.Name, s.consumers[0].o.Name)
	case s.o.Limits.Consumers > 0 && there >= s.o.Limits.Consumers:
		return Refuse(wire.ConsumerBusy, fault.ConsumerLimit, "%s has %d", s.o.Name, there)
	}
	return nil
}

// settleLocked makes the dispatcher of the type, unless the one there is does: a subscription whose consumers all went keeps what it
// knows (redelivery counts) for the next ones of the same type.
func (s *Subscription) settleLocked(typ Type, o ConsumerOptions) {
	if len(s.consumers) > 0 || s.d != nil && s.typ == typ && typ != KeyShared {
		return
	}
	s.typ = typ
	if s.d != nil {
		s.d.reset()
	}
	if s.o.Cursor != nil {
		s.jumpLocked(s.o.Cursor.MarkDelete())
	}
	switch typ {
	case Shared:
		s.d = newShared(s, &turns{})
	case KeyShared:
		s.d = newShared(s, newKeys(o.KeyMode, o.AllowOutOfOrder))
	default:
		s.d = &single{s: s}
	}
}

// dropReadLocked gives up what is read or being read.
func (s *Subscription) dropReadLocked() {
	s.life++
	s.feed.release()
	s.lackForward, s.lackReplay = false, s.lackReplay[:0]
}

// jumpLocked goes on behind p, giving up what is read or being read.
func (s *Subscription) jumpLocked(p bk.Position) {
	s.dropReadLocked()
	s.feed.jump(after(p), s.o.Cursor.Touched())
}

// detachLocked takes the consumer out of the list.
func (s *Subscription) detachLocked(c *Consumer) {
	c.closed = true
	if i := slices.Index(s.consumers, c); i >= 0 {
		s.consumers = slices.Delete(s.consumers, i, i+1)
	}
	if len(s.consumers) == 0 {
		s.idle = s.o.Now()
	}
}

func (s *Subscription) removeConsumer(c *Consumer) {
	s.mu.Lock()
	if c.closed {
		s.mu.Unlock()
		return
	}
	s.detachLocked(c)
	s.d.leave(c)
	empty := len(s.consumers) == 0
	if empty {
		s.dropReadLocked()
	} else {
		s.dispatchLocked(true)
	}
	s.mu.Unlock()
	if empty && s.o.Empty != nil {
		s.o.Empty(s)
	}
}

// Consumers are those attached now, in order of arrival.
func (s *Subscription) Consumers() []*Consumer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.consumers)
}

// Idle reports for how long the subscription has had no consumer; 0 when it has one or is being moved.
func (s *Subscription) Idle() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.consumers) > 0 || s.state == moving {
		return 0
	}
	return max(1, s.o.Now().Sub(s.idle))
}

// Wake tells that entries were added. Dispatch happens on the caller's stack and does not block. Called once for a list of publishes.
func (s *Subscription) Wake() {
	s.mu.Lock()
	s.dispatchLocked(false)
	s.mu.Unlock()
}

// Terminated tells that the topic was terminated: consumers are told when they reach its end.
func (s *Subscription) Terminated() {
	s.mu.Lock()
	s.ended = true
	s.endLocked()
	s.mu.Unlock()
}

// endLocked tells the consumers of a terminated topic when everything is acknowledged.
func (s *Subscription) endLocked() {
	if !s.ended || s.state != open || s.o.Cursor != nil && s.o.Cursor.Backlog() > 0 {
		return
	}
	for _, c := range s.consumers {
		if !c.ended {
			c.ended = true
			c.o.Outlet.EndOfTopic(c)
		}
	}
}

// Push hands entries of a non-persistent topic to consumers that take them now and drops the rest. The payloads are lent.
func (s *Subscription) Push(ds []Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != open || len(s.consumers) == 0 {
		return
	}
	s.dropped += uint64(s.d.push(ds))
	s.flushLocked()
}

// Properties are the subscription's properties (interop §7.7, cursorProperties).
func (s *Subscription) Properties() map[string]string {
	if s.o.Cursor == nil {
		return nil
	}
	return s.o.Cursor.Properties()
}

// SetLimits changes the limits; they count from the next delivery on.
func (s *Subscription) SetLimits(l Limits) {
	s.mu.Lock()
	s.o.Limits = l.withDefaults()
	s.feed.limits = s.o.Limits
	s.mu.Unlock()
}

// disconnectLocked detaches every consumer and tells the connections.
func (s *Subscription) disconnectLocked() {
	cs := slices.Clone(s.consumers)
	for _, c := range cs {
		s.detachLocked(c)
	}
	for _, c := range cs {
		s.d.leave(c)
		c.o.Outlet.Disconnect(c)
	}
}

// endLifeLocked lets nothing more happen.
func (s *Subscription) endLifeLocked() {
	s.state = closed
	s.dropReadLocked()
	if s.d != nil {
		s.d.reset()
	}
}

// CloseIdle closes the subscription if it has no consumer; false when it has one, or is being moved.
func (s *Subscription) CloseIdle() bool {
	s.mu.Lock()
	if len(s.consumers) > 0 || s.state == moving {
		s.mu.Unlock()
		return false
	}
	s.endLifeLocked()
	s.mu.Unlock()
	_ = s.Close() // joins the reader
	return true
}

// Close disconnects every consumer and joins what reads for the subscription. The cursor stays open. Idempotent.
func (s *Subscription) Close() error {
	s.mu.Lock()
	if s.state != closed {
		if s.state == moving {
			close(s.moved)
		}
		s.disconnectLocked()
		s.endLifeLocked()
	}
	s.mu.Unlock()
	s.cancel()
	s.reads.Wait()
	return nil
}

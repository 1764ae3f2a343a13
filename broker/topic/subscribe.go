package topic

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/strobemq/strobe/broker/subscription"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/managed"
)

// SubscribeOptions are what SUBSCRIBE says.
type SubscribeOptions struct {
	Name       string
	Type       subscription.Type
	NonDurable bool // a reader's: gone with its last consumer
	// Earliest says where a new durable subscription begins: at the topic's first entry, or behind its last.
	Earliest bool
	// Start is where a new non-durable subscription begins. Its entry is delivered again, whole, and the client drops what it does not want
	// of it; that is what makes a start inside a batch possible. bk.Earliest and bk.Latest are the ends. nil: as Earliest says.
	Start *bk.Position
	// Rollback begins a new non-durable subscription at the first message published within this time; 0: no.
	Rollback      time.Duration
	ReadCompacted bool
	Properties    map[string]string // of a new durable subscription
	Replicated    bool              // the subscription is marked as replicated (interop §7.7)
	Consumer      subscription.ConsumerOptions
	Schema        *pb.Schema // nil: none
}

// Cursors that are not subscriptions (interop §7.1).
const (
	dedupCursor       = "pulsar.dedup"
	replicatorPrefix  = "pulsar.repl"
	compactionCursor  = "__compaction"
	transactionCursor = "transaction.subscription"
	pendingAckCursor  = "__pending_ack_state"
)

// maxName keeps subscription names below what metadata stores take as a key.
const maxName = 1024

// replicatedProperty marks a replicated subscription's positions.
const replicatedProperty = "pulsar.replicated.subscription"

// ownCursor reports whether the name is one that the broker uses itself.
func ownCursor(name string) bool {
	switch name {
	case dedupCursor, compactionCursor, transactionCursor, pendingAckCursor:
		return true
	}
	return strings.HasPrefix(name, replicatorPrefix+".")
}

// Subscribe attaches a consumer to a subscription, which is made if need be. A *Refusal as Subscription.AddConsumer's, or
// SUBSCRIPTION_NOT_FOUND where subscriptions are not made on first use.
func (t *Topic) Subscribe(ctx context.Context, o SubscribeOptions) (*subscription.Consumer, error) {
	if o.Schema != nil && t.r.o.Schema != nil {
		if _, err := t.r.o.Schema(ctx, t.name, o.Schema); err != nil {
			return nil, refusalOf(t.name, err)
		}
	}
	for {
		s := t.Subscription(o.Name)
		if s == nil {
			var err error
			if s, err = t.make(ctx, o, false); err != nil {
				return nil, err
			}
		}
		c, err := s.AddConsumer(ctx, o.Type, o.Consumer)
		var r *Refusal
		if errors.As(err, &r) && r.Err.Fault == fault.SubscriptionGoing && ctx.Err() == nil && t.State().Serving() && t.Subscription(o.Name) != s {
			continue // removed under our hands: a non-durable one whose last consumer went
		}
		return c, err
	}
}

// make creates the subscription, unless somebody else just did. By hand it may be created where first use does not.
func (t *Topic) make(ctx context.Context, o SubscribeOptions, byHand bool) (*subscription.Subscription, error) {
	if o.Name == "" || len(o.Name) > maxName || ownCursor(o.Name) {
		return nil, refuse(wire.NotAllowedError, fault.SubscriptionName, "%q", o.Name)
	}
	if err := t.lock(ctx); err != nil {
		return nil, err
	}
	defer func() { <-t.change }()
	t.sweep()
	if s := t.Subscription(o.Name); s != nil {
		return s, nil
	}
	t.mu.Lock()
	settings := t.settings
	t.mu.Unlock()
	if settings.NoSubscriptionCreation && !o.NonDurable && !byHand {
		return nil, refuse(wire.SubscriptionNotFound, fault.SubscriptionNotFound, "%s, %q", t.name, o.Name)
	}
	cursor, err := t.cursorFor(ctx, o)
	if err != nil {
		return nil, refusalOf(t.name, err)
	}
	s := t.newSubscription(o.Name, cursor, settings.Limits, o.ReadCompacted)
	t.setSubs(append(slices.Clone(*t.subs.Load()), s))
	return s, nil
}

// cursorFor makes the cursor of a new subscription; nil on a non-persistent topic.
func (t *Topic) cursorFor(ctx context.Context, o SubscribeOptions) (*managed.Cursor, error) {
	if t.ledger == nil {
		return nil, nil
	}
	start := bk.Latest
	if o.Earliest {
		start = bk.Earliest
	}
	if !o.NonDurable {
		co := managed.CursorOptions{Start: start, Properties: o.Properties}
		if o.Replicated {
			co.LongProperties = []managed.LongProperty{{Name: replicatedProperty, Value: 1}}
		}
		return t.ledger.OpenCursor(ctx, o.Name, co)
	}
	switch {
	case o.Rollback > 0:
		p, err := subscription.FirstPublishedAt(ctx, t.ledger, t.r.now().Add(-o.Rollback))
		if err != nil {
			return nil, err
		}
		start = t.ledger.Previous(p)
	case o.Start == nil:
	case *o.Start == bk.Earliest || *o.Start == bk.Latest || o.Start.Entry < 0:
		start = *o.Start
	default:
		start = t.ledger.Previous(*o.Start)
	}
	return t.ledger.NonDurable(o.Name, start), nil
}

func (t *Topic) newSubscription(name string, cursor *managed.Cursor, l subscription.Limits, compacted bool) *subscription.Subscription {
	return subscription.New(subscription.Options{
		Topic: t.name.String(), Name: name, Log: t.log, Partition: t.name.Partition, Ledger: t.ledger, Cursor: cursor,
		Readers: t.r.o.Readers, Limits: l, Compacted: compacted, Now: t.r.o.Now, Empty: t.emptied,
	})
}

// setSubs replaces the list of subscriptions. The caller holds change.
func (t *Topic) setSubs(subs []*subscription.Subscription) {
	slices.SortFunc(subs, func(a, b *subscription.Subscription) int { return strings.Compare(a.Name(), b.Name()) })
	t.subs.Store(&subs)
}

// emptied is told when a subscription's last consumer went.
func (t *Topic) emptied(s *subscription.Subscription) {
	if s.Durable() {
		return
	}
	select {
	case t.change <- struct{}{}:
		t.dropEmpty(s)
		<-t.change
	default: // somebody is changing subscriptions; the next to do so sweeps
	}
}

// idleLimit is how long a non-durable subscription may be without a consumer after a seek, which its client answers by coming back.
const idleLimit = time.Minute

// sweep removes non-durable subscriptions that nobody came back to. The caller holds change.
func (t *Topic) sweep() {
	for _, s := range *t.subs.Load() {
		if !s.Durable() && s.Idle() > idleLimit {
			t.dropEmpty(s)
		}
	}
}

// dropEmpty removes a non-durable subscription if it still has no consumer. The caller holds change.
func (t *Topic) dropEmpty(s *subscription.Subscription) {
	if !s.CloseIdle() {
		return
	}
	subs := slices.Clone(*t.subs.Load())
	t.setSubs(slices.DeleteFunc(subs, func(o *subscription.Subscription) bool { return o == s }))
	if c := s.Cursor(); c != nil {
		_ = c.Close(context.Background()) // a non-durable one's cannot fail
	}
}

// CreateSubscription makes a durable subscription without a consumer whose first entry is p (bk.Earliest, bk.Latest: the ends). One that
// exists is left as it is.
func (t *Topic) CreateSubscription(ctx context.Context, name string, p bk.Position, properties map[string]string) error {
	if t.Subscription(name) != nil {
		return nil
	}
	s, err := t.make(ctx, SubscribeOptions{Name: name, Earliest: p != bk.Latest, Properties: properties}, true)
	if err != nil || p == bk.Latest || p == bk.Earliest {
		return err
	}
	return s.Seek(ctx, p, nil)
}

// Subscription is the subscription of that name, or nil.
func (t *Topic) Subscription(name string) *subscription.Subscription {
	subs := *t.subs.Load()
	i, ok := slices.BinarySearchFunc(subs, name, func(s *subscription.Subscription, n string) int { return strings.Compare(s.Name(), n) })
	if !ok {
		return nil
	}
	return subs[i]
}

// Subscriptions are all subscriptions, by name. The slice must not be changed.
func (t *Topic) Subscriptions() []*subscription.Subscription { return *t.subs.Load() }

// Unsubscribe removes a subscription for good. It is refused while consumers are attached, unless force or by (the consumer that asks, or
// nil) is the only one.
func (t *Topic) Unsubscribe(ctx context.Context, name string, by *subscription.Consumer, force bool) error {
	if err := t.lock(ctx); err != nil {
		return err
	}
	defer func() { <-t.change }()
	s := t.Subscription(name)
	if s == nil {
		return refuse(wire.SubscriptionNotFound, fault.SubscriptionNotFound, "%s, %q", t.name, name)
	}
	if cs := s.Consumers(); !force && len(cs) > 0 && !(len(cs) == 1 && cs[0] == by) {
		return refuse(wire.ConsumerBusy, fault.SubscriptionInUse, "%s, %q: %d", t.name, name, len(cs))
	}
	if by != nil && by.Subscription() == s {
		_ = by.Close() // its client knows
	}
	if err := s.Close(); err != nil {
		return err
	}
	subs := slices.Clone(*t.subs.Load())
	t.setSubs(slices.DeleteFunc(subs, func(o *subscription.Subscription) bool { return o == s }))
	switch {
	case t.ledger == nil:
	case s.Durable():
		if err := t.ledger.DeleteCursor(ctx, name); err != nil && !errors.Is(err, managed.ErrNotFound) {
			return refusalOf(t.name, err)
		}
	default:
		_ = s.Cursor().Close(ctx) // a non-durable one's cannot fail
	}
	return nil
}

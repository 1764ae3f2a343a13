package topic

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/strobemq/strobe/broker/subscription"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/managed"
)

// Topic is one life of a topic in this process: from load to unload. All methods are safe for concurrent use.
type Topic struct {
	r      *Topics
	name   Name
	log    *slog.Logger
	ledger *managed.Ledger // nil: non-persistent
	born   time.Time

	// change serialises what creates and removes subscriptions; it is held across metadata calls.
	change chan struct{}
	// subs is all subscriptions, sorted by name; replaced, never changed, so that waking them needs no lock.
	subs atomic.Pointer[[]*subscription.Subscription]

	mu        sync.Mutex // guards all below
	state     State
	settings  Settings
	producers map[string]*Producer
	exclusive *Producer
	queue     []*Producer // waiting for their turn to be exclusive
	epoch     *uint64     // topic epoch; nil: there was never an exclusive producer
	index     int64       // of the last message taken; -1: none
	stored    int64       // of the last message stored
	position  bk.Position // of the last entry stored here
	taken     uint64      // entries stored since the load
	dedup     *dedup      // nil: off
	cursor    *managed.Cursor
	pending   int           // publishes on their way to the ledger
	halted    bool          // one of them failed: nothing is taken before none is on its way
	quiet     chan struct{} // closed when none is; nil: nobody asks
	meta      wire.Metadata // scratch

	ops        []*managed.Op // scratch of Publish
	outbox     []*Publish    // answers on their way back
	spare      []*Publish
	notices    []func() // what to tell connections besides answers
	delivering bool

	counters
	duplicates  uint64
	refused     uint64
	lastPublish int64 // Unix ms
}

// Name is the topic's name.
func (t *Topic) Name() Name { return t.name }

// State is where the topic is in its life.
func (t *Topic) State() State {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state
}

// Ledger is where a persistent topic's entries are; nil on a non-persistent one.
func (t *Topic) Ledger() *managed.Ledger { return t.ledger }

// wake tells every subscription that entries were added.
func (t *Topic) wake() {
	for _, s := range *t.subs.Load() {
		s.Wake()
	}
}

// lock takes change; unlock it with <-t.change. A *Refusal when ctx ends first or the topic serves no more.
func (t *Topic) lock(ctx context.Context) error {
	select {
	case t.change <- struct{}{}:
	case <-ctx.Done():
		return refuse(wire.ServiceNotReady, fault.TopicGoing, "%s: %w", t.name, ctx.Err())
	}
	if st := t.State(); !st.Serving() {
		<-t.change
		return t.going(st)
	}
	return nil
}

func (t *Topic) going(st State) *Refusal {
	return refuse(wire.ServiceNotReady, fault.TopicGoing, "%s is %v", t.name, st)
}

// LastMessage is an answer for GET_LAST_MESSAGE_ID.
type LastMessage struct {
	Position   bk.Position // Entry -1: the topic has no message
	BatchIndex int32       // of a batch's last message; -1: it is no batch
	BatchSize  int32       // 0: it is no batch
}

// Last is the topic's last message.
func (t *Topic) Last(ctx context.Context) (LastMessage, error) {
	if t.ledger == nil {
		return LastMessage{}, t.notPersistent()
	}
	p := t.ledger.LastConfirmed()
	last := LastMessage{Position: p, BatchIndex: -1}
	if p.Entry < 0 {
		return LastMessage{Position: bk.Earliest, BatchIndex: -1}, nil
	}
	es, err := t.ledger.Read(ctx, p, 1, 1)
	if err != nil {
		return LastMessage{}, refusalOf(t.name, err)
	}
	for _, e := range es {
		var m wire.Metadata
		if decode(e.Payload.B, &m) == nil && m.Batch && e.Position == p {
			last.BatchIndex, last.BatchSize = m.Messages-1, m.Messages
		}
		e.Payload.Release()
	}
	return last, nil
}

// Entry reads the entry at p, which must exist. The caller releases its payload.
func (t *Topic) Entry(ctx context.Context, p bk.Position) (managed.Entry, error) {
	if t.ledger == nil {
		return managed.Entry{}, t.notPersistent()
	}
	es, err := t.ledger.Read(ctx, p, 1, 1)
	if err != nil {
		return managed.Entry{}, refusalOf(t.name, err)
	}
	if len(es) == 0 || es[0].Position != p {
		for _, e := range es {
			e.Payload.Release()
		}
		return managed.Entry{}, refuse(wire.UnknownError, fault.TopicEntry, "%s: %v", t.name, p)
	}
	return es[0], nil
}

// FirstAt is the first entry published at or after a time; behind the last one when there is none.
func (t *Topic) FirstAt(ctx context.Context, at time.Time) (bk.Position, error) {
	if t.ledger == nil {
		return bk.Position{}, t.notPersistent()
	}
	p, err := subscription.FirstPublishedAt(ctx, t.ledger, at)
	if err != nil {
		return p, refusalOf(t.name, err)
	}
	return p, nil
}

// Terminate ends the topic: it takes no more publishes, and consumers are told when they reach its end. It returns the position of the
// last entry. Durable when it returns nil. Idempotent.
func (t *Topic) Terminate(ctx context.Context) (bk.Position, error) {
	if t.ledger == nil {
		return bk.Position{}, t.notPersistent()
	}
	if err := t.lock(ctx); err != nil {
		return bk.Position{}, err
	}
	defer func() { <-t.change }()
	t.mu.Lock()
	if next, ok := t.state.next(terminate); ok {
		t.state = next
		for _, p := range t.producers {
			t.detachLocked(p)
		}
	}
	t.deliverLocked()
	p, err := t.ledger.Terminate(ctx)
	if err != nil {
		return p, refusalOf(t.name, err)
	}
	for _, s := range *t.subs.Load() {
		s.Terminated()
	}
	return p, nil
}

func (t *Topic) notPersistent() *Refusal {
	return refuse(wire.NotAllowedError, fault.TopicNotPersistent, "%s", t.name)
}

// decode reads the metadata of a stored entry.
func decode(payload []byte, m *wire.Metadata) error {
	_, rest, _, err := wire.CutBrokerEntry(payload)
	if err != nil {
		return err
	}
	p, err := wire.ParsePayload(rest)
	if err != nil {
		return err
	}
	return m.Decode(p.Metadata)
}

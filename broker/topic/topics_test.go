package topic

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/strobemq/strobe/broker/subscription"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/storagetest"
)

func TestOneLoadAtATime(t *testing.T) {
	w := newWorld(t)
	b := w.broker(Settings{})
	var first atomic.Pointer[Topic]
	var g sync.WaitGroup
	for range 20 {
		g.Go(func() {
			got, err := b.Get(t.Context(), name(t, "t"), true)
			if err != nil || !first.CompareAndSwap(nil, got) && first.Load() != got {
				t.Errorf("%p, %v", got, err)
			}
		})
	}
	g.Wait()
}

func TestTopicsThatDoNotExist(t *testing.T) {
	w := newWorld(t)
	b := w.broker(Settings{})
	_, err := b.Get(t.Context(), name(t, "t"), false)
	refused(t, err, wire.TopicNotFound, fault.TopicNotFound)
	refused(t, b.Delete(t.Context(), name(t, "t"), false), wire.TopicNotFound, fault.TopicNotFound)
	if ok, err := b.Exists(t.Context(), name(t, "t")); ok || err != nil {
		t.Errorf("exists: %v, %v", ok, err)
	}
	b.o.Create = func(_ context.Context, n Name) error {
		return refuse(wire.NotAllowedError, fault.TopicNotFound, "%s may not be created", n)
	}
	_, err = b.Get(t.Context(), name(t, "t"), true)
	refused(t, err, wire.NotAllowedError, fault.TopicNotFound)
	_, err = b.Get(t.Context(), name(t, "non-persistent://a/b/c"), true)
	refused(t, err, wire.NotAllowedError, fault.TopicNotFound)

	// One who may not create it does not spoil it for one who may.
	b.o.Create = nil
	var g sync.WaitGroup
	for i := range 20 {
		g.Go(func() {
			if _, err := b.Get(t.Context(), name(t, "u"), i%2 == 0); err != nil && i%2 == 0 {
				t.Error(err)
			}
		})
	}
	g.Wait()
}

func TestList(t *testing.T) {
	b := newWorld(t).broker(Settings{})
	var created, deleted []string
	b.o.Created = func(n Name) { created = append(created, n.String()) }
	b.o.Deleted = func(n Name) { deleted = append(deleted, n.String()) }
	for _, n := range []string{"b", "a é", "other/ns/x", "non-persistent://public/default/n"} {
		b.get(t, n)
	}
	if err := b.Unload(t.Context(), name(t, "b")); err != nil {
		t.Fatal(err)
	}
	names, err := b.List(t.Context(), "public/default")
	if got := fmt.Sprint(names); err != nil || len(names) != 3 || names[0].Local != "n" || names[1].Local != "a é" || names[2].Local != "b" {
		t.Errorf("%s, %v", got, err)
	}
	if len(b.All()) != 3 {
		t.Errorf("%d are loaded", len(b.All()))
	}
	for _, n := range names {
		if ok, err := b.Exists(t.Context(), n); !ok || err != nil {
			t.Errorf("%s exists: %v, %v", n, ok, err)
		}
		if err := b.Delete(t.Context(), n, false); err != nil {
			t.Error(err)
		}
	}
	if names, err = b.List(t.Context(), "public/default"); len(names) != 0 || err != nil {
		t.Errorf("%v, %v", names, err)
	}
	if len(created) != 3 || len(deleted) != 3 {
		t.Errorf("created %v, deleted %v", created, deleted)
	}
}

// TestDeletedTopicsStateIsGone: deduplication, index and subscriptions die with the incarnation.
func TestDeletedTopicsStateIsGone(t *testing.T) {
	w := newWorld(t)
	b := w.broker(Settings{Dedup: true})
	topic := b.get(t, "t")
	c := newConn(t)
	p := c.produce(topic, "p")
	c.consume(topic, SubscribeOptions{Name: "s"}, 10)
	send(p, 0, 4)
	c.receipts(5)
	c.deliveries(5)
	refused(t, b.Delete(t.Context(), topic.Name(), false), wire.ConsumerBusy, fault.TopicInUse)
	if err := b.Delete(t.Context(), topic.Name(), true); err != nil {
		t.Fatal(err)
	}
	c.await("producer and consumer are sent away", func() bool { return len(c.gone) == 1 && len(c.dropped) == 1 })
	if ids := w.ledgers.IDs(); len(ids) != 0 {
		t.Errorf("ledgers %v are left", ids)
	}
	topic = b.get(t, "t")
	p, a, err := topic.AddProducer(t.Context(), ProducerOptions{Name: "p", Receipts: c})
	if err != nil || a.LastSequence != -1 {
		t.Fatalf("%+v, %v", a, err)
	}
	if len(topic.Subscriptions()) != 0 {
		t.Error("a subscription came back")
	}
	c.consume(topic, SubscribeOptions{Name: "s", Earliest: true}, 10)
	send(p, 0, 0)
	if text, index := body(t, c.deliveries(1)[0]); text != "p/0" || index != 0 {
		t.Errorf("%s, index %d", text, index)
	}
}

func TestLoadThatFails(t *testing.T) {
	w := newWorld(t)
	b := w.broker(Settings{})
	topic := b.get(t, "t")
	c := newConn(t)
	send(c.produce(topic, "p"), 0, 0)
	c.receipts(1)
	if err := b.Unload(t.Context(), topic.Name()); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("no device")
	w.ledgers.Before = func(op storagetest.MemOp) error {
		if op.Name == "read" {
			return broken
		}
		return nil
	}
	_, err := b.Get(t.Context(), topic.Name(), true)
	refused(t, err, wire.ServiceNotReady, fault.TopicLoad)
	if !errors.Is(err, broken) {
		t.Errorf("%v hides the cause", err)
	}
	// An administrator may give it up.
	refused(t, b.Delete(t.Context(), topic.Name(), false), wire.ServiceNotReady, fault.TopicLoad)
	if err := b.Delete(t.Context(), topic.Name(), true); err != nil {
		t.Error(err)
	}
	w.ledgers.Before = nil
	_, err = b.Get(t.Context(), topic.Name(), false)
	refused(t, err, wire.TopicNotFound, fault.TopicNotFound)
}

func TestLoadIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	b := w.broker(Settings{})
	topic := b.get(t, "t")
	if err := b.Unload(t.Context(), topic.Name()); err != nil {
		t.Fatal(err)
	}
	fails := true
	b.o.Settings = func(context.Context, Name) (Settings, error) {
		if fails {
			return Settings{}, errors.New("no metadata")
		}
		return Settings{}, nil
	}
	_, err := b.Get(t.Context(), topic.Name(), true)
	refused(t, err, wire.ServiceNotReady, fault.TopicLoad)
	fails = false
	if _, err := b.Get(t.Context(), topic.Name(), false); err != nil {
		t.Error(err)
	}
}

func TestRefresh(t *testing.T) {
	b := newWorld(t).broker(Settings{})
	topic := b.get(t, "t")
	b.settings.Store(&Settings{Limits: subscription.Limits{Consumers: 1}})
	c := newConn(t)
	c.consume(topic, SubscribeOptions{Name: "s", Type: subscription.Shared}, 1)
	if err := b.Refresh(t.Context(), topic.Name()); err != nil {
		t.Fatal(err)
	}
	_, err := topic.Subscribe(t.Context(), SubscribeOptions{Name: "s", Type: subscription.Shared, Consumer: subscription.ConsumerOptions{Outlet: consumerEnd{c}}})
	refused(t, err, wire.ConsumerBusy, fault.ConsumerLimit)

	// Deduplication switches over in a new life.
	p := c.produce(topic, "p")
	send(p, 0, 4)
	c.receipts(5)
	b.settings.Store(&Settings{Dedup: true})
	if err := b.Refresh(t.Context(), topic.Name()); err != nil {
		t.Fatal(err)
	}
	next := b.get(t, "t")
	if next == topic || !next.Stats().Dedup {
		t.Error("deduplication was not switched on")
	}
	send(c.produce(next, "p"), 5, 5)
	c.receipts(1)
	b.settings.Store(&Settings{})
	if err := b.Refresh(t.Context(), topic.Name()); err != nil {
		t.Fatal(err)
	}
	b.get(t, "t") // what it takes without deduplication is not known later
	b.settings.Store(&Settings{Dedup: true})
	if err := b.Refresh(t.Context(), topic.Name()); err != nil {
		t.Fatal(err)
	}
	if _, a, err := b.get(t, "t").AddProducer(t.Context(), ProducerOptions{Name: "p", Receipts: c}); err != nil || a.LastSequence != -1 {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestDisown: a broker whose session ended lets go of its topics, and loads them again only when they are its own again.
func TestDisown(t *testing.T) {
	b := newWorld(t).broker(Settings{Dedup: true})
	topic := b.get(t, "t")
	c := newConn(t)
	p := c.produce(topic, "p")
	send(p, 0, 4)
	c.receipts(5)
	b.o.Own = func(_ context.Context, n Name) error {
		return refuse(wire.ServiceNotReady, fault.BundleElsewhere, "%s", n)
	}
	b.Disown()
	c.await("the producer to be sent away", func() bool { return len(c.gone) == 1 })
	_, err := b.Get(t.Context(), topic.Name(), true)
	refused(t, err, wire.ServiceNotReady, fault.BundleElsewhere)

	// Given up while it was loading.
	asked := 0
	b.o.Own = func(_ context.Context, n Name) error {
		if asked++; asked == 2 {
			return refuse(wire.ServiceNotReady, fault.BundleElsewhere, "%s", n)
		}
		return nil
	}
	_, err = b.Get(t.Context(), topic.Name(), true)
	refused(t, err, wire.ServiceNotReady, fault.BundleElsewhere)

	b.o.Own = nil
	again := b.get(t, "t")
	if again == topic {
		t.Error("the topic was not unloaded")
	}
	if l, err := again.Last(t.Context()); err != nil || l.Position.Entry != 4 {
		t.Errorf("the last message is %+v, %v", l, err)
	}
}

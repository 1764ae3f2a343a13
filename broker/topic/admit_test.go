package topic

import (
	"testing"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
)

const (
	exclusive = pb.ProducerAccessMode_ACCESS_EXCLUSIVE
	waiting   = pb.ProducerAccessMode_ACCESS_WAIT_FOR_EXCLUSIVE
	fencing   = pb.ProducerAccessMode_ACCESS_EXCLUSIVE_WITH_FENCING
)

func TestProducerNames(t *testing.T) {
	b := newWorld(t).broker(Settings{MaxProducers: 3})
	topic := b.get(t, "t")
	c := newConn(t)
	p, a, err := topic.AddProducer(t.Context(), ProducerOptions{Receipts: c})
	if err != nil || a.Name != "standalone-0-1" || p.Name() != a.Name || a.LastSequence != -1 || !a.Ready || a.TopicEpoch != nil {
		t.Fatalf("%+v, %v", a, err)
	}
	if _, a, _ = b.get(t, "other").AddProducer(t.Context(), ProducerOptions{Receipts: c}); a.Name != "standalone-0-2" {
		t.Errorf("the second name made is %s", a.Name)
	}
	c.produce(topic, "mine")
	_, _, err = topic.AddProducer(t.Context(), ProducerOptions{Name: "mine", Receipts: c})
	refused(t, err, wire.ProducerBusy, fault.ProducerNameTaken)

	// The same client, reconnected: the former producer is replaced and its publishes are refused.
	c2 := newConn(t)
	again, _, err := topic.AddProducer(t.Context(), ProducerOptions{Name: "mine", Epoch: 1, Receipts: c2})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.gone) != 0 {
		t.Error("the replaced producer's client was told")
	}
	_, _, err = topic.AddProducer(t.Context(), ProducerOptions{Name: "mine", Epoch: 1, Receipts: c})
	refused(t, err, wire.ProducerBusy, fault.ProducerNameTaken)

	c.produce(topic, "third")
	_, _, err = topic.AddProducer(t.Context(), ProducerOptions{Name: "fourth", Receipts: c})
	refused(t, err, wire.ProducerBusy, fault.ProducerLimit)
	_ = again.Close()
	c.produce(topic, "mine")
	_ = again.Close() // idempotent: not the new one
	if st := topic.Stats(); len(st.Producers) != 3 || st.Producers[0].Name != "mine" {
		t.Errorf("%+v", st.Producers)
	}
}

func TestExclusiveProducers(t *testing.T) {
	w := newWorld(t)
	b := w.broker(Settings{})
	topic := b.get(t, "t")
	c := newConn(t)
	add := func(name string, mode pb.ProducerAccessMode, o ProducerOptions) (*Producer, Admission, error) {
		o.Name, o.Mode, o.Receipts = name, mode, c
		return topic.AddProducer(t.Context(), o)
	}
	shared := c.produce(topic, "shared")
	_, _, err := add("x", exclusive, ProducerOptions{})
	refused(t, err, wire.ProducerFenced, fault.ProducerFenced)
	_ = shared.Close()

	x, a, err := add("x", exclusive, ProducerOptions{})
	if err != nil || a.TopicEpoch == nil || *a.TopicEpoch != 0 || !a.Ready {
		t.Fatalf("%+v, %v", a, err)
	}
	_, _, err = add("y", exclusive, ProducerOptions{})
	refused(t, err, wire.ProducerFenced, fault.ProducerExclusive)
	_, _, err = add("shared", 0, ProducerOptions{})
	refused(t, err, wire.ProducerBusy, fault.ProducerExclusive)

	// Who waits may not publish yet.
	y, a, err := add("y", waiting, ProducerOptions{})
	if err != nil || a.Ready {
		t.Fatalf("%+v, %v", a, err)
	}
	send(y, 0, 0)
	refused(t, c.receipts(1)[0].Err, wire.ProducerFenced, fault.ProducerExclusive)
	// x comes back on another connection, before its former one is known to be dead.
	if _, a, err = add("x", exclusive, ProducerOptions{Epoch: 1, TopicEpoch: new(uint64)}); err != nil || *a.TopicEpoch != 0 {
		t.Errorf("%+v, %v", a, err)
	}
	_ = x.Close()
}

func TestWaitingAndFencingProducers(t *testing.T) {
	w := newWorld(t)
	b := w.broker(Settings{})
	topic := b.get(t, "t")
	c := newConn(t)
	type turn struct {
		p   *Producer
		a   Admission
		err error
	}
	turns := make(chan turn, 2)
	ready := func(p *Producer, a Admission, err error) { turns <- turn{p, a, err} }
	add := func(name string, mode pb.ProducerAccessMode, o ProducerOptions) (*Producer, Admission, error) {
		o.Name, o.Mode, o.Receipts, o.Ready = name, mode, c, ready
		return topic.AddProducer(t.Context(), o)
	}
	x, a, err := add("x", exclusive, ProducerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	y, ya, err := add("y", waiting, ProducerOptions{})
	if err != nil || ya.Ready {
		t.Fatalf("%+v, %v", ya, err)
	}
	z, za, err := add("z", waiting, ProducerOptions{})
	if err != nil || za.Ready {
		t.Fatalf("%+v, %v", za, err)
	}
	_ = x.Close()
	if got := <-turns; got.p != y || got.err != nil || !got.a.Ready || *got.a.TopicEpoch != 1 {
		t.Fatalf("%+v", got)
	}
	send(y, 0, 0)
	if r := c.receipts(1)[0]; r.Err != nil {
		t.Error(r.Err)
	}
	// x was there before y: it may not come back as if nothing had been.
	_ = y.Close()
	if got := <-turns; got.p != z || *got.a.TopicEpoch != 2 {
		t.Fatalf("%+v", got)
	}
	_ = z.Close()
	_, _, err = add("x", exclusive, ProducerOptions{TopicEpoch: a.TopicEpoch})
	refused(t, err, wire.ProducerFenced, fault.ProducerFenced)
	two := uint64(2)
	z, a, err = add("z", exclusive, ProducerOptions{TopicEpoch: &two})
	if err != nil || *a.TopicEpoch != 2 {
		t.Fatalf("%+v, %v", a, err)
	}

	// Fencing throws out who is there and who waits.
	if _, _, err = add("y", waiting, ProducerOptions{}); err != nil {
		t.Fatal(err)
	}
	_, a, err = add("f", fencing, ProducerOptions{})
	if err != nil || *a.TopicEpoch != 3 {
		t.Fatalf("%+v, %v", a, err)
	}
	refused(t, (<-turns).err, wire.ProducerFenced, fault.ProducerFenced)
	c.await("the producer is sent away", func() bool { return len(c.gone) == 1 && c.gone[0] == z })

	// The epoch outlives the topic's life.
	if err := b.Unload(t.Context(), topic.Name()); err != nil {
		t.Fatal(err)
	}
	topic = b.get(t, "t")
	if _, a, err = add("n", exclusive, ProducerOptions{}); err != nil || *a.TopicEpoch != 4 {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestInitialSubscription(t *testing.T) {
	topic := newWorld(t).broker(Settings{}).get(t, "t")
	c := newConn(t)
	p, _, err := topic.AddProducer(t.Context(), ProducerOptions{Receipts: c, InitialSubscription: "first"})
	if err != nil {
		t.Fatal(err)
	}
	send(p, 0, 0)
	c.receipts(1)
	c.consume(topic, SubscribeOptions{Name: "first"}, 1)
	c.deliveries(1)
}

func TestTerminate(t *testing.T) {
	b := newWorld(t).broker(Settings{})
	topic := b.get(t, "t")
	c := newConn(t)
	p := c.produce(topic, "p")
	s := c.consume(topic, SubscribeOptions{Name: "s"}, 10)
	send(p, 0, 1)
	last := c.receipts(2)[1].Position
	at, err := topic.Terminate(t.Context())
	if err != nil || at != last {
		t.Fatalf("%v, %v; want %v", at, err, last)
	}
	c.await("the producer is sent away", func() bool { return len(c.gone) == 1 })
	send(p, 2, 2)
	refused(t, c.receipts(1)[0].Err, wire.TopicTerminatedError, fault.TopicTerminated)
	_, _, err = topic.AddProducer(t.Context(), ProducerOptions{Receipts: c})
	refused(t, err, wire.TopicTerminatedError, fault.TopicTerminated)
	c.deliveries(2)
	if c.ended != 0 {
		t.Error("told of the end before it was reached")
	}
	if err := s.Ack(ackOf(last), true); err != nil {
		t.Fatal(err)
	}
	c.await("the end", func() bool { return c.ended == 1 })
	if at, err := topic.Terminate(t.Context()); err != nil || at != last {
		t.Errorf("again: %v, %v", at, err)
	}
	// It stays so.
	if err := b.Unload(t.Context(), topic.Name()); err != nil {
		t.Fatal(err)
	}
	topic = b.get(t, "t")
	if topic.State() != Terminated {
		t.Errorf("%v after a reload", topic.State())
	}
	c.consume(topic, SubscribeOptions{Name: "s"}, 10)
	c.await("the end", func() bool { return c.ended == 2 })
	c.consume(topic, SubscribeOptions{Name: "r", NonDurable: true, Start: &bk.Earliest}, 10)
	c.deliveries(2)
}

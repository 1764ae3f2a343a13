package topic

import (
	"fmt"
	"testing"

	"github.com/strobemq/strobe/broker/subscription"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
)

func ackOf(ps ...bk.Position) []subscription.Ack {
	var acks []subscription.Ack
	for _, p := range ps {
		acks = append(acks, subscription.Ack{Position: p})
	}
	return acks
}

func (c *conn) bodies(n int) string {
	c.t.Helper()
	var out []string
	for _, d := range c.deliveries(n) {
		text, _ := body(c.t, d)
		out = append(out, text)
	}
	return fmt.Sprint(out)
}

func TestReaderStarts(t *testing.T) {
	topic := newWorld(t).broker(Settings{}).get(t, "t")
	c := newConn(t)
	p := c.produce(topic, "p")
	send(p, 0, 4)
	rs := c.receipts(5)
	beforeFirst := bk.Position{Ledger: rs[0].Position.Ledger, Entry: -1}
	starts := []*bk.Position{&bk.Earliest, &rs[2].Position, &bk.Latest, nil, &beforeFirst}
	var readers []*conn
	for i, start := range starts {
		r := newConn(t)
		r.consume(topic, SubscribeOptions{Name: fmt.Sprint("r", i), NonDurable: true, Start: start}, 100)
		readers = append(readers, r)
	}
	send(p, 5, 5)
	for i, want := range []string{"[p/0 p/1 p/2 p/3 p/4 p/5]", "[p/2 p/3 p/4 p/5]", "[p/5]", "[p/5]", "[p/0 p/1 p/2 p/3 p/4 p/5]"} {
		n := []int{6, 4, 1, 1, 6}[i]
		if got := readers[i].bodies(n); got != want {
			t.Errorf("reader from %v: %s, want %s", starts[i], got, want)
		}
	}
}

// TestReaderGoesWithItsConsumer: a non-durable subscription is gone when its consumer closes, but stays over a seek.
func TestReaderGoesWithItsConsumer(t *testing.T) {
	topic := newWorld(t).broker(Settings{}).get(t, "t")
	c := newConn(t)
	p := c.produce(topic, "p")
	send(p, 0, 4)
	rs := c.receipts(5)
	start := SubscribeOptions{Name: "r", NonDurable: true, Start: &bk.Latest}
	s := c.consume(topic, start, 100)
	sub := topic.Subscription("r")
	if err := sub.Seek(t.Context(), rs[3].Position, nil); err != nil {
		t.Fatal(err)
	}
	c.await("the reader is sent away", func() bool { return len(c.dropped) == 1 })
	_ = s.Close()
	if topic.Subscription("r") != sub {
		t.Fatal("the subscription went with the seek")
	}
	s = c.consume(topic, start, 100) // its start says nothing now
	if got := c.bodies(2); got != "[p/3 p/4]" {
		t.Error(got)
	}
	_ = s.Close()
	if topic.Subscription("r") != nil || len(topic.Subscriptions()) != 0 {
		t.Error("the subscription outlives its consumer")
	}
	s = c.consume(topic, SubscribeOptions{Name: "r", NonDurable: true, Start: &bk.Earliest}, 1)
	c.deliveries(1)
	_ = s.Close()
}

func TestUnsubscribe(t *testing.T) {
	b := newWorld(t).broker(Settings{})
	topic := b.get(t, "t")
	c := newConn(t)
	one := c.consume(topic, SubscribeOptions{Name: "s", Type: subscription.Shared}, 1)
	other := newConn(t)
	other.consume(topic, SubscribeOptions{Name: "s", Type: subscription.Shared}, 1)
	refused(t, topic.Unsubscribe(t.Context(), "s", one, false), wire.ConsumerBusy, fault.SubscriptionInUse)
	refused(t, topic.Unsubscribe(t.Context(), "none", nil, false), wire.SubscriptionNotFound, fault.SubscriptionNotFound)
	if err := topic.Unsubscribe(t.Context(), "s", one, true); err != nil {
		t.Fatal(err)
	}
	if len(c.dropped) != 0 || len(other.dropped) != 1 {
		t.Errorf("%d %d were sent away", len(c.dropped), len(other.dropped))
	}
	one = c.consume(topic, SubscribeOptions{Name: "s"}, 1)
	if err := topic.Unsubscribe(t.Context(), "s", one, false); err != nil {
		t.Error(err)
	}
	if err := b.Unload(t.Context(), topic.Name()); err != nil {
		t.Fatal(err)
	}
	if subs := b.get(t, "t").Subscriptions(); len(subs) != 0 {
		t.Errorf("%d subscriptions came back", len(subs))
	}
}

func TestSubscriptionsByHand(t *testing.T) {
	b := newWorld(t).broker(Settings{NoSubscriptionCreation: true})
	topic := b.get(t, "t")
	c := newConn(t)
	p := c.produce(topic, "p")
	send(p, 0, 4)
	rs := c.receipts(5)
	_, err := topic.Subscribe(t.Context(), SubscribeOptions{Name: "s", Consumer: subscription.ConsumerOptions{Outlet: consumerEnd{c}}})
	refused(t, err, wire.SubscriptionNotFound, fault.SubscriptionNotFound)
	for _, bad := range []string{"", "pulsar.dedup", "__compaction", "pulsar.repl.x"} {
		refused(t, topic.CreateSubscription(t.Context(), bad, bk.Latest, nil), wire.NotAllowedError, fault.SubscriptionName)
	}
	props := map[string]string{"k": "v"}
	for name, at := range map[string]bk.Position{"all": bk.Earliest, "none": bk.Latest, "some": rs[3].Position} {
		if err := topic.CreateSubscription(t.Context(), name, at, props); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]int64{"all": 5, "none": 0, "some": 2} {
		if st := topic.Subscription(name).Stats(); st.Backlog != want || st.Properties["k"] != "v" || st.Settled {
			t.Errorf("%s: %+v", name, st)
		}
	}
	c.consume(topic, SubscribeOptions{Name: "some"}, 10)
	if got := c.bodies(2); got != "[p/3 p/4]" {
		t.Error(got)
	}
}

package topic

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/strobemq/strobe/broker/subscription"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/managed"
	"github.com/strobemq/strobe/storage/storagetest"
)

func TestPublishAndConsume(t *testing.T) {
	w := newWorld(t)
	topic := w.broker(Settings{}).get(t, "t")
	c := newConn(t)
	p := c.produce(topic, "p")
	s := c.consume(topic, SubscribeOptions{Name: "s"}, 100)

	topic.Publish([]*Publish{
		publish(p, 0, wire.Metadata{}),
		publish(p, 1, wire.Metadata{Batch: true, Messages: 5, Highest: 5}),
		publish(p, 6, wire.Metadata{}),
	})
	last := bk.Earliest
	for i, r := range c.receipts(3) {
		if r.Err != nil || !last.Less(r.Position) || r.SequenceID != []uint64{0, 1, 6}[i] {
			t.Errorf("receipt %d: sequence %d at %v, %v", i, r.SequenceID, r.Position, r.Err)
		}
		last = r.Position
	}
	wantIndex := []int64{0, 5, 6}
	for i, d := range c.deliveries(3) {
		text, index := body(t, d)
		if want := []string{"p/0", "p/1", "p/6"}[i]; text != want || index != wantIndex[i] || d.Messages != []int32{1, 5, 1}[i] {
			t.Errorf("delivery %d: %s, index %d, %d messages", i, text, index, d.Messages)
		}
	}
	if err := s.Ack([]subscription.Ack{{Position: last}}, true); err != nil {
		t.Error(err)
	}
	st := topic.Stats()
	if st.MessagesIn != 7 || st.EntriesIn != 3 || st.LastIndex != 6 || st.LastPosition != last || st.Subscriptions[0].Backlog != 0 || st.Pending != 0 {
		t.Errorf("%+v", st)
	}
	lm, err := topic.Last(t.Context())
	if err != nil || lm != (LastMessage{Position: last, BatchIndex: -1}) {
		t.Errorf("last message %+v, %v", lm, err)
	}
}

func TestLastMessageOfABatch(t *testing.T) {
	topic := newWorld(t).broker(Settings{}).get(t, "t")
	if lm, err := topic.Last(t.Context()); err != nil || lm.Position.Entry != -1 || lm.BatchIndex != -1 {
		t.Errorf("of an empty topic: %+v, %v", lm, err)
	}
	c := newConn(t)
	p := c.produce(topic, "p")
	topic.Publish([]*Publish{publish(p, 0, wire.Metadata{Batch: true, Messages: 3, Highest: 2})})
	at := c.receipts(1)[0].Position
	if lm, err := topic.Last(t.Context()); err != nil || lm != (LastMessage{Position: at, BatchIndex: 2, BatchSize: 3}) {
		t.Errorf("%+v, %v", lm, err)
	}
}

func TestReloadGoesOn(t *testing.T) {
	w := newWorld(t)
	b := w.broker(Settings{Dedup: true})
	topic := b.get(t, "t")
	c := newConn(t)
	p := c.produce(topic, "p")
	s := c.consume(topic, SubscribeOptions{Name: "s"}, 100)
	send(p, 0, 9)
	rs := c.receipts(10)
	c.deliveries(10)
	if err := s.Ack([]subscription.Ack{{Position: rs[4].Position}}, true); err != nil {
		t.Fatal(err)
	}
	if err := b.Unload(t.Context(), topic.Name()); err != nil {
		t.Fatal(err)
	}
	c.await("producer and consumer are told", func() bool { return len(c.gone) == 1 && len(c.dropped) == 1 })
	if topic.State() != Gone {
		t.Errorf("the topic is %v", topic.State())
	}

	// The old life refuses; the new one goes on.
	send(p, 10, 10)
	refused(t, c.receipts(1)[0].Err, wire.ServiceNotReady, fault.ProducerClosed)
	_ = p.Close()
	s.Flow(1)
	again := b.get(t, "t")
	if again == topic {
		t.Fatal("the same life")
	}
	p2, a, err := again.AddProducer(t.Context(), ProducerOptions{Name: "p", Receipts: c})
	if err != nil || a.LastSequence != 9 {
		t.Fatalf("%+v, %v", a, err)
	}
	c.consume(again, SubscribeOptions{Name: "s"}, 100)
	if text, _ := body(t, c.deliveries(5)[0]); text != "p/5" {
		t.Errorf("goes on at %s", text)
	}
	send(p2, 8, 10) // two of them again
	for i, r := range c.receipts(3) {
		if dup := r.Position == Duplicate; r.Err != nil || dup != (i < 2) {
			t.Errorf("receipt %d: %v, %v", i, r.Position, r.Err)
		}
	}
	if text, index := body(t, c.deliveries(1)[0]); text != "p/10" || index != 10 {
		t.Errorf("%s, index %d", text, index)
	}
}

// TestCrashGoesOn: another broker takes the topic over while the first one lives on, as after a partition.
func TestCrashGoesOn(t *testing.T) {
	w := newWorld(t)
	b := w.broker(Settings{Dedup: true, DedupEntries: 4})
	topic := b.get(t, "t")
	c := newConn(t)
	p := c.produce(topic, "p")
	c.consume(topic, SubscribeOptions{Name: "s"}, 100)
	send(p, 0, 9)
	c.receipts(10)
	c.deliveries(10)

	b2 := w.broker(Settings{Dedup: true})
	t2 := b2.get(t, "t")
	c2 := newConn(t)
	p2, a, err := t2.AddProducer(t.Context(), ProducerOptions{Name: "p", Receipts: c2})
	if err != nil || a.LastSequence != 9 {
		t.Fatalf("%+v, %v", a, err)
	}
	send(p2, 9, 10)
	if rs := c2.receipts(2); rs[0].Position != Duplicate || rs[1].Err != nil {
		t.Errorf("%v %v", rs[0].Position, rs[1].Err)
	}

	// The first one finds out when it writes, and gives the topic up.
	send(p, 10, 10)
	refused(t, c.receipts(1)[0].Err, wire.ServiceNotReady, fault.TopicFenced)
	c.await("the topic is given up", func() bool { return len(c.gone) == 1 && len(c.dropped) == 1 })
	c2.consume(t2, SubscribeOptions{Name: "s"}, 100)
	seen := c2.deliveries(11)
	if text, index := body(t, seen[10]); text != "p/10" || index != 10 {
		t.Errorf("%s, index %d", text, index)
	}
}

// TestDuplicatesAnswerInOrder: the ledgers stand still; what repeats waits for what it repeats, and answers keep the producer's order.
func TestDuplicatesAnswerInOrder(t *testing.T) {
	w := newWorld(t)
	topic := w.broker(Settings{Dedup: true}).get(t, "t")
	c := newConn(t)
	p := c.produce(topic, "p")
	send(p, 0, 0)
	c.receipts(1)
	w.ledgers.Hold()
	send(p, 1, 2)
	c2 := newConn(t)
	p2, a, err := topic.AddProducer(t.Context(), ProducerOptions{Name: "p", Epoch: 1, Receipts: c2})
	if err != nil || a.LastSequence != 0 {
		t.Fatalf("%+v, %v", a, err)
	}
	send(p2, 0, 3) // 0 is stored, 1 and 2 are on their way, 3 is new
	send(p2, 2, 2) // and once more
	if rs := c2.receipts(1); rs[0].SequenceID != 0 || rs[0].Position != Duplicate {
		t.Errorf("%d at %v", rs[0].SequenceID, rs[0].Position)
	}
	w.ledgers.Step(1)
	c.receipts(1)
	if r := c2.receipts(1)[0]; r.SequenceID != 1 || r.Position != Duplicate {
		t.Errorf("%d at %v", r.SequenceID, r.Position)
	}
	w.ledgers.Unhold()
	rs := c2.receipts(3)
	got := fmt.Sprint(rs[0].SequenceID, rs[1].SequenceID, rs[2].SequenceID, rs[0].Position == Duplicate, rs[1].Position == Duplicate, rs[2].Position == Duplicate)
	if got != "2 3 2 true false true" {
		t.Error(got)
	}
	if st := topic.Stats(); st.EntriesIn != 4 || st.Duplicates != 4 {
		t.Errorf("%d entries, %d duplicates", st.EntriesIn, st.Duplicates)
	}
}

func TestPartlyStoredBatchIsRefused(t *testing.T) {
	topic := newWorld(t).broker(Settings{Dedup: true}).get(t, "t")
	c := newConn(t)
	p := c.produce(topic, "p")
	send(p, 0, 5)
	c.receipts(6)
	topic.Publish([]*Publish{publish(p, 4, wire.Metadata{Batch: true, Messages: 4, Highest: 7}), publish(p, 8, wire.Metadata{})})
	rs := c.receipts(2)
	refused(t, rs[0].Err, wire.NotAllowedError, fault.PublishCovered)
	// What came behind it must not be stored before it: the producer has to come back.
	refused(t, rs[1].Err, wire.ServiceNotReady, fault.ProducerClosed)
	c.await("the producer is sent away", func() bool { return len(c.gone) == 1 })
	p2, a, err := topic.AddProducer(t.Context(), ProducerOptions{Name: "p", Epoch: 1, Receipts: c})
	if err != nil || a.LastSequence != 5 {
		t.Fatalf("%+v, %v", a, err)
	}
	topic.Publish([]*Publish{publish(p2, 6, wire.Metadata{Batch: true, Messages: 2, Highest: 7}), publish(p2, 8, wire.Metadata{})})
	for _, r := range c.receipts(2) {
		if r.Err != nil || r.Position == Duplicate {
			t.Errorf("%v %v", r.Position, r.Err)
		}
	}
}

// TestFailedPublishKeepsOrder: ledgers cannot be had for a while. Everybody is sent away, sends again, and has each message once with indexes without
// a gap.
func TestFailedPublishKeepsOrder(t *testing.T) {
	w := newWorld(t)
	fail := make(chan struct{})
	w.ledgers.Before = func(op storagetest.MemOp) error {
		select {
		case <-fail:
			return nil
		default:
		}
		if op.Name == "create" {
			return bk.ErrNotEnough
		}
		return nil
	}
	topic := w.broker(Settings{Dedup: true, Managed: managed.Config{AppendTimeout: 30 * time.Millisecond}}).get(t, "t")
	c := newConn(t)
	p := c.produce(topic, "p")
	send(p, 0, 1)
	rs := c.receipts(2)
	refused(t, rs[0].Err, wire.PersistenceError, fault.PublishFailed)
	refused(t, rs[1].Err, wire.PersistenceError, fault.PublishFailed)
	c.await("the producer is sent away", func() bool { return len(c.gone) == 1 })
	close(fail)
	p2, a, err := topic.AddProducer(t.Context(), ProducerOptions{Name: "p", Epoch: 1, Receipts: c})
	if err != nil || a.LastSequence != -1 {
		t.Fatalf("%+v, %v", a, err)
	}
	c.consume(topic, SubscribeOptions{Name: "s", Earliest: true}, 10)
	send(p2, 0, 2)
	for _, r := range c.receipts(3) {
		if r.Err != nil || r.Position == Duplicate {
			t.Errorf("sequence %d: %v %v", r.SequenceID, r.Position, r.Err)
		}
	}
	for i, d := range c.deliveries(3) {
		if text, index := body(t, d); text != fmt.Sprint("p/", i) || index != int64(i) {
			t.Errorf("delivery %d: %s, index %d", i, text, index)
		}
	}
}

func TestNonPersistent(t *testing.T) {
	topic := newWorld(t).broker(Settings{Dedup: true}).get(t, "non-persistent://public/default/t")
	c := newConn(t)
	p := c.produce(topic, "p")
	send(p, 0, 0) // nobody is there
	s := c.consume(topic, SubscribeOptions{Name: "s", Type: subscription.Shared}, 2)
	send(p, 1, 3) // one more than there are permits
	for _, r := range c.receipts(4) {
		if r.Err != nil {
			t.Error(r.Err)
		}
	}
	for i, d := range c.deliveries(2) {
		if text, _ := body(t, d); text != fmt.Sprint("p/", i+1) {
			t.Error(text)
		}
		if err := s.Ack([]subscription.Ack{{Position: d.Position}}, false); err != nil {
			t.Error(err)
		}
	}
	st := topic.Stats()
	if st.Subscriptions[0].Dropped != 1 || st.MessagesIn != 4 {
		t.Errorf("%+v", st)
	}
	if _, err := topic.Last(t.Context()); err == nil {
		t.Error("a non-persistent topic has a last message")
	}
	_ = s.Close()
}

// slowConn keeps its first answers back until it may go on, and notices calls that overlap.
type slowConn struct {
	conn    *conn
	inside  atomic.Int32
	overlap atomic.Bool
	entered chan struct{}
	goOn    chan struct{}
}

func (c *slowConn) Receipts(done []*Publish) {
	if c.inside.Add(1) > 1 {
		c.overlap.Store(true)
	}
	select {
	case c.entered <- struct{}{}:
		<-c.goOn
	default:
	}
	c.conn.Receipts(done)
	c.inside.Add(-1)
}

func (c *slowConn) Disconnect(p *Producer) { c.conn.Disconnect(p) }

// TestAnswersDoNotOvertake: while answers are being handed over, an answer that needs no storing comes on another goroutine.
func TestAnswersDoNotOvertake(t *testing.T) {
	topic := newWorld(t).broker(Settings{Dedup: true}).get(t, "t")
	c := &slowConn{conn: newConn(t), entered: make(chan struct{}, 1), goOn: make(chan struct{})}
	p, _, err := topic.AddProducer(t.Context(), ProducerOptions{Name: "p", Receipts: c})
	if err != nil {
		t.Fatal(err)
	}
	send(p, 0, 0)
	<-c.entered
	c.entered <- struct{}{} // later answers are not kept back
	send(p, 0, 0)
	close(c.goOn)
	rs := c.conn.receipts(2)
	if rs[0].Position == Duplicate || rs[1].Position != Duplicate || c.overlap.Load() {
		t.Errorf("%v, %v, overlap %v", rs[0].Position, rs[1].Position, c.overlap.Load())
	}
}

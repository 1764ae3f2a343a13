package topic

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/strobemq/strobe/broker/subscription"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/managed"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/memory"
	"github.com/strobemq/strobe/storage/storagetest"
)

// world is bookies and metadata on which brokers come and go.
type world struct {
	t       *testing.T
	ledgers *storagetest.MemLedgers
	meta    meta.Store
	number  atomic.Int64
}

func newWorld(t *testing.T) *world {
	bk.PoisonSlabs(true)
	return &world{t: t, ledgers: storagetest.NewMemLedgers(t), meta: memory.New()}
}

// broker is a registry with settings that every topic has, on its own managed ledgers.
type broker struct {
	*Topics
	manager  *managed.Manager
	settings atomic.Pointer[Settings]
}

func (w *world) broker(s Settings) *broker {
	if s.Managed.RetentionTime == 0 {
		s.Managed.RetentionTime, s.Managed.RetentionBytes = -1, -1
	}
	b := &broker{manager: managed.New(managed.Options{Ledgers: w.ledgers, Meta: w.meta, ClockGrace: -1})}
	b.settings.Store(&s)
	b.Topics = NewTopics(Options{
		Managed:      b.manager,
		NextProducer: func(context.Context) (int64, error) { return w.number.Add(1) - 1, nil },
		Settings:     func(context.Context, Name) (Settings, error) { return *b.settings.Load(), nil },
	})
	w.t.Cleanup(func() { b.stop(w.t) })
	return b
}

func (b *broker) stop(t *testing.T) {
	if err := b.Topics.Close(); err != nil {
		t.Error(err)
	}
	if err := b.manager.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// crash makes the broker's managed ledgers unusable by opening them elsewhere; what a kill -9 leaves is what the ledgers hold.
func name(t *testing.T, s string) Name {
	t.Helper()
	n, err := ParseName(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (b *broker) get(t *testing.T, topic string) *Topic {
	t.Helper()
	got, err := b.Get(t.Context(), name(t, topic), true)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// conn is a connection: it notes what comes back, and is a producer's and a consumer's end at once.
type conn struct {
	t    *testing.T
	mu   sync.Mutex
	cond *sync.Cond

	done    []*Publish
	gone    []*Producer
	got     []subscription.Delivery
	sizes   int
	dropped []*subscription.Consumer
	ended   int
}

func newConn(t *testing.T) *conn {
	c := &conn{t: t}
	c.cond = sync.NewCond(&c.mu)
	return c
}

func (c *conn) Receipts(done []*Publish) {
	c.mu.Lock()
	c.done = append(c.done, done...)
	c.cond.Broadcast()
	c.mu.Unlock()
}

func (c *conn) Disconnect(p *Producer) {
	c.mu.Lock()
	c.gone = append(c.gone, p)
	c.cond.Broadcast()
	c.mu.Unlock()
}

// consumerEnd makes a conn an Outlet; the two Disconnects differ.
type consumerEnd struct{ *conn }

func (c consumerEnd) Deliver(_ *subscription.Consumer, ds []subscription.Delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range ds {
		c.sizes += len(d.Payload.B)
		own := append([]byte(nil), d.Payload.B...)
		d.Payload.Release()
		d.Payload = bk.Bytes(own)
		c.got = append(c.got, d)
	}
	c.cond.Broadcast()
}
func (c consumerEnd) Congested() bool                            { return false }
func (c consumerEnd) ActiveChanged(*subscription.Consumer, bool) {}
func (c consumerEnd) Disconnect(s *subscription.Consumer) {
	c.mu.Lock()
	c.dropped = append(c.dropped, s)
	c.cond.Broadcast()
	c.mu.Unlock()
}
func (c consumerEnd) EndOfTopic(*subscription.Consumer) {
	c.mu.Lock()
	c.ended++
	c.cond.Broadcast()
	c.mu.Unlock()
}

// await waits until ok holds; ok is called with the lock held.
func (c *conn) await(what string, ok func() bool) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.waitLocked(ok) {
		c.t.Fatalf("%s did not happen", what)
	}
}

func (c *conn) waitLocked(ok func() bool) bool {
	late := false
	alarm := time.AfterFunc(10*time.Second, func() {
		c.mu.Lock()
		late = true
		c.cond.Broadcast()
		c.mu.Unlock()
	})
	defer alarm.Stop()
	for !ok() && !late {
		c.cond.Wait()
	}
	return ok()
}

// receipts waits for n answers and takes them.
func (c *conn) receipts(n int) []*Publish {
	c.t.Helper()
	c.await(fmt.Sprintf("%d receipts", n), func() bool { return len(c.done) >= n })
	c.mu.Lock()
	defer c.mu.Unlock()
	got := c.done[:n:n]
	c.done = c.done[n:]
	return got
}

// deliveries waits for n entries and takes them.
func (c *conn) deliveries(n int) []subscription.Delivery {
	c.t.Helper()
	c.await(fmt.Sprintf("%d deliveries", n), func() bool { return len(c.got) >= n })
	c.mu.Lock()
	defer c.mu.Unlock()
	got := c.got[:n:n]
	c.got = c.got[n:]
	return got
}

func (c *conn) produce(topic *Topic, producer string) *Producer {
	c.t.Helper()
	p, _, err := topic.AddProducer(c.t.Context(), ProducerOptions{Name: producer, Receipts: c})
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

func (c *conn) consume(topic *Topic, o SubscribeOptions, permits uint32) *subscription.Consumer {
	c.t.Helper()
	o.Consumer.Outlet = consumerEnd{c}
	s, err := topic.Subscribe(c.t.Context(), o)
	if err != nil {
		c.t.Fatal(err)
	}
	s.Flow(permits)
	return s
}

// publish makes one SEND, whose metadata m completes.
func publish(p *Producer, seq uint64, m wire.Metadata) *Publish {
	m.ProducerName, m.SequenceID, m.PublishTime = []byte(p.Name()), seq, 1
	pub := &Publish{Producer: p, SequenceID: seq, Highest: m.Highest, Messages: max(m.Messages, 1)}
	pub.Data = bk.Bytes(wire.AppendPayload(nil, &m, fmt.Appendf(nil, "%s/%d", p.Name(), seq)))
	return pub
}

// send publishes plain messages with the sequence ids from…to.
func send(p *Producer, from, to uint64) {
	var list []*Publish
	for seq := from; seq <= to; seq++ {
		list = append(list, publish(p, seq, wire.Metadata{}))
	}
	p.Topic().Publish(list)
}

// body is what a delivered entry says: producer/sequence, and its index.
func body(t *testing.T, d subscription.Delivery) (text string, index int64) {
	t.Helper()
	e, rest, _, err := wire.CutBrokerEntry(d.Payload.B)
	if err != nil {
		t.Fatal(err)
	}
	pl, err := wire.ParsePayload(rest)
	if err != nil || pl.Verify() != nil {
		t.Fatalf("the delivered entry is not what was sent: %v, %v", err, pl.Verify())
	}
	if !e.HasIndex {
		e.Index = -1
	}
	return string(pl.Body), e.Index
}

// refused checks that err is a Refusal with the code and fault.
func refused(t *testing.T, err error, code pb.ServerError, f *fault.Fault) {
	t.Helper()
	r, ok := err.(*Refusal)
	if !ok || r.Code != code || r.Err.Fault != f {
		t.Errorf("%v; want %v, %s", err, code, f.Code)
	}
}

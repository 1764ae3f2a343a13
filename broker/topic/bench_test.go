package topic

import (
	"context"
	"testing"

	"github.com/strobemq/strobe/broker/subscription"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/managed"
	"github.com/strobemq/strobe/storage/meta/memory"
	"github.com/strobemq/strobe/storage/storagetest"
)

// sink is a connection that counts.
type sink struct {
	free    chan []*Publish
	list    []*Publish
	entries int
	last    bk.Position
}

func (s *sink) Receipts(done []*Publish) {
	s.list = append(s.list, done...)
	if len(s.list) == cap(s.list) {
		s.free <- s.list
	}
}
func (s *sink) Disconnect(*Producer) {}

type sinkOutlet struct{ *sink }

func (s sinkOutlet) Deliver(_ *subscription.Consumer, ds []subscription.Delivery) {
	for i := range ds {
		ds[i].Payload.Release()
	}
	s.entries += len(ds)
	s.last = ds[len(ds)-1].Position
}
func (s sinkOutlet) Congested() bool                            { return false }
func (s sinkOutlet) ActiveChanged(*subscription.Consumer, bool) {}
func (s sinkOutlet) Disconnect(*subscription.Consumer)          {}
func (s sinkOutlet) EndOfTopic(*subscription.Consumer)          {}

// BenchmarkPublishAndDispatch is the broker's part of one entry, in lists of 64, over memory ledgers: taken, stored, answered, delivered and
// acknowledged.
func BenchmarkPublishAndDispatch(b *testing.B) {
	for name, typ := range map[string]subscription.Type{"exclusive": subscription.Exclusive, "shared": subscription.Shared, "keys": subscription.KeyShared} {
		for _, dedup := range []bool{false, true} {
			if dedup && typ != subscription.Exclusive {
				continue
			}
			if dedup {
				name += "+dedup"
			}
			b.Run(name, func(b *testing.B) { benchmarkPublish(b, typ, dedup) })
		}
	}
}

func benchmarkPublish(b *testing.B, typ subscription.Type, dedup bool) {
	const list = 64
	bk.PoisonSlabs(false)
	m := managed.New(managed.Options{Ledgers: storagetest.NewMemLedgers(b), Meta: memory.New(), ClockGrace: -1})
	r := NewTopics(Options{
		Managed: m, NextProducer: func(context.Context) (int64, error) { return 0, nil },
		Settings: func(context.Context, Name) (Settings, error) { return Settings{Dedup: dedup}, nil },
	})
	defer func() {
		_ = r.Close()
		_ = m.Close(context.Background())
	}()
	t, err := r.Get(b.Context(), Name{Persistent: true, Tenant: "a", Namespace: "b", Local: "c", Partition: -1}, true)
	if err != nil {
		b.Fatal(err)
	}
	s := &sink{free: make(chan []*Publish, 1)}
	p, _, err := t.AddProducer(b.Context(), ProducerOptions{Name: "p", Receipts: s})
	if err != nil {
		b.Fatal(err)
	}
	c, err := t.Subscribe(b.Context(), SubscribeOptions{Name: "s", Type: typ, Consumer: subscription.ConsumerOptions{Outlet: sinkOutlet{s}}})
	if err != nil {
		b.Fatal(err)
	}
	pubs := make([]*Publish, 0, list)
	for i := range list {
		pubs = append(pubs, publish(p, uint64(i), wire.Metadata{PartitionKey: []byte("key")}))
	}
	acks := make([]subscription.Ack, list)
	s.list = make([]*Publish, 0, list)
	b.ReportAllocs()
	seq := uint64(0)
	for b.Loop() {
		for _, pub := range pubs {
			pub.SequenceID = seq
			seq++
		}
		c.Flow(list)
		t.Publish(pubs)
		done := <-s.free
		for i, d := range done {
			if d.Err != nil {
				b.Fatal(d.Err)
			}
			acks[i].Position = d.Position
		}
		s.list = done[:0]
		if err := c.Ack(acks, false); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/list, "ns/entry")
}

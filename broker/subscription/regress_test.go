package subscription

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/managed"
	"github.com/strobemq/strobe/storage/storagetest"
)

// gate lets reads of entries through one by one.
type gate struct {
	shut    atomic.Bool
	waiting chan int64
	pass    chan struct{}
}

// newGatedBench is a bench without a cache whose reads wait at the gate while it is shut.
func newGatedBench(t *testing.T) (*bench, *gate) {
	g := &gate{waiting: make(chan int64, 100), pass: make(chan struct{})}
	ledgers := storagetest.NewMemLedgers(t)
	ledgers.Before = func(op storagetest.MemOp) error {
		if op.Name == "read" && g.shut.Load() {
			g.waiting <- op.Entry
			<-g.pass
		}
		return nil
	}
	b := openBench(t, ledgers, managed.Options{CacheBytes: -1})
	t.Cleanup(b.close)
	return b, g
}

func (b *bench) join(s *Subscription, typ Type, name string, permits uint32) (*Consumer, *outlet) {
	b.t.Helper()
	o := newOutlet()
	c, err := s.AddConsumer(context.Background(), typ, ConsumerOptions{Name: name, Outlet: o})
	if err != nil {
		b.t.Fatal(err)
	}
	c.Flow(permits)
	return c, o
}

func (b *bench) ids(numbers ...int) (ps []bk.Position) {
	for _, n := range numbers {
		ps = append(ps, b.published[n])
	}
	return ps
}

func acksOf(ps []bk.Position) (acks []Ack) {
	for _, p := range ps {
		acks = append(acks, Ack{Position: p})
	}
	return acks
}

func (b *bench) got(o *outlet, c *Consumer) (numbers []int) {
	for _, d := range o.take(c) {
		numbers = append(numbers, b.numbers[d.Position])
	}
	return numbers
}

// A consumer acknowledged everything but the first entry and came back. The reader read the first, then found nothing but acknowledged
// entries, stayed where it was and looked again, for ever.
func TestNothingButAcknowledgedEntriesAhead(t *testing.T) {
	b, _ := newGatedBench(t)
	b.publish(many(3)...)
	s := b.subscribe("s", -1, Limits{})
	c, o := b.join(s, Shared, "a", 10)
	settle(s)
	if err := c.Ack(acksOf(b.ids(2, 3)), false); err != nil {
		t.Fatal(err)
	}
	b.got(o, c)
	_ = c.Close()
	c, o = b.join(s, Exclusive, "a", 1)
	settle(s)
	c.Flow(10)
	settle(s) // did not return
	if got := b.got(o, c); len(got) != 1 || got[0] != 1 {
		t.Errorf("%v", got)
	}
	if at := s.Stats().ReadPosition; !b.published[3].Less(at) {
		t.Errorf("reading goes on at %v", at)
	}
}

// Two entries of a key were with a consumer. It gave back the second, whose reading began for it again; then it went, and the first waited as well.
// The second came from disk and was given to the next consumer, before the first.
func TestEntryBeingReadDoesNotOvertake(t *testing.T) {
	b, g := newGatedBench(t)
	s := b.subscribe("s", -1, Limits{})
	one, o1 := b.join(s, KeyShared, "one", 10)
	two, o2 := b.join(s, KeyShared, "two", 10)
	key := wire.Metadata{PartitionKey: []byte("f")} // is one's, and two's when one has gone
	b.publish(key, key)
	s.Wake()
	settle(s)
	if got := b.got(o1, one); len(got) != 2 {
		t.Fatalf("%v", got)
	}
	g.shut.Store(true)
	one.Redeliver(b.ids(2), -1)
	if e := <-g.waiting; e != b.published[2].Entry {
		t.Fatalf("entry %d is being read", e)
	}
	_ = one.Close()
	g.shut.Store(false)
	close(g.pass)
	settle(s)
	if got := b.got(o2, two); len(got) != 2 || got[0] != 1 || got[1] != 2 {
		t.Errorf("%v", got)
	}
}

// An entry was being read for a consumer whose connection then filled up. Meanwhile another consumer, whose entry waited too, got permits. The read
// brought nothing to anybody, and the permits were forgotten.
func TestPermitsDuringAReadCount(t *testing.T) {
	b, g := newGatedBench(t)
	s := b.subscribe("s", -1, Limits{})
	a, oa := b.join(s, KeyShared, "a", 10)
	c, oc := b.join(s, KeyShared, "c", 1)
	// f is a's, d is c's.
	b.publish(wire.Metadata{PartitionKey: []byte("f")}, wire.Metadata{PartitionKey: []byte("d")})
	s.Wake()
	settle(s)
	if got := append(b.got(oa, a), b.got(oc, c)...); len(got) != 2 {
		t.Fatalf("%v", got)
	}
	c.Redeliver(b.ids(2), -1) // it has no permits
	g.shut.Store(true)
	a.Redeliver(b.ids(1), -1)
	<-g.waiting
	oa.mu.Lock()
	oa.congested = true
	oa.mu.Unlock()
	c.Flow(1)
	g.shut.Store(false)
	close(g.pass)
	settle(s)
	if got := b.got(oc, c); len(got) != 1 || got[0] != 2 {
		t.Errorf("%v", got)
	}
}

// A thousand subscriptions of one connection waited to read. Each had found room in its output and read, and together they held a thousand times what
// the output takes; what they delivered in the same moment ended the connection.
func TestRoomIsAskedForBehindTheWaitForASlot(t *testing.T) {
	b, g := newGatedBench(t)
	const subscriptions = 20
	b.publish(many(3)...)
	o, readers := newOutlet(), NewReaders(1)
	o.onDeliver = func(*Consumer, []Delivery) {
		if readers.Busy() != 1 {
			t.Error("the slot was given back before the dispatch")
		}
		o.congested = true
	}
	g.shut.Store(true)
	var consumers []*Consumer
	for i := range subscriptions {
		s := b.subscribe(strconv.Itoa(i), -1, Limits{ReadEntries: 1, ReadBytes: 1})
		s.o.Readers = readers
		c, err := s.AddConsumer(context.Background(), Exclusive, ConsumerOptions{Name: "c", Outlet: o})
		if err != nil {
			t.Fatal(err)
		}
		c.Flow(10)
		consumers = append(consumers, c)
	}
	<-g.waiting
	g.shut.Store(false)
	close(g.pass)
	delivered := func() (entries int) {
		for _, c := range consumers {
			settle(c.Subscription())
			entries += len(o.take(c))
		}
		return entries
	}
	if n := delivered(); n != 1 {
		t.Errorf("%d entries were delivered, there was room for one", n)
	}
	for _, s := range b.subs {
		if s.feed.head < len(s.feed.ahead) {
			t.Error("a subscription has read ahead and had nobody to give it to")
		}
	}
	for n := 1; n < 3*subscriptions; n++ {
		o.mu.Lock()
		o.congested = false
		o.mu.Unlock()
		for _, c := range consumers {
			c.Drained()
		}
		if got := delivered(); got != 1 {
			t.Fatalf("%d entries behind the first %d, want 1", got, n)
		}
	}
}

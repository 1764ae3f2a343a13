package subscription

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/managed"
	"github.com/strobemq/strobe/storage/meta/memory"
	"github.com/strobemq/strobe/storage/storagetest"
)

// bench is a topic's ledger with entries that a test publishes, and subscriptions on it.
type bench struct {
	t       testing.TB
	manager *managed.Manager
	ledger  *managed.Ledger
	appends chan *managed.Op
	subs    []*Subscription

	published []bk.Position // by number, from 1
	numbers   map[bk.Position]int
	clock     time.Time
}

func newBench(t testing.TB, o managed.Options) *bench {
	b := openBench(t, storagetest.NewMemLedgers(t), o)
	t.Cleanup(b.close)
	return b
}

func openBench(t testing.TB, ledgers *storagetest.MemLedgers, o managed.Options) *bench {
	bk.PoisonSlabs(true)
	o.Ledgers, o.Meta = ledgers, memory.New()
	o.FlushInterval = time.Hour
	b := &bench{
		t: t, manager: managed.New(o), appends: make(chan *managed.Op, 1<<10), numbers: map[bk.Position]int{},
		published: []bk.Position{{}}, clock: time.UnixMilli(1_000_000),
	}
	var err error
	b.ledger, err = b.manager.Open(context.Background(), "public/default/persistent/t", managed.Config{RetentionTime: -1, RetentionBytes: -1}, true)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) close() {
	for _, s := range b.subs {
		if err := s.Close(); err != nil {
			b.t.Error(err)
		}
	}
	if err := b.manager.Close(context.Background()); err != nil {
		b.t.Error(err)
	}
}

func (b *bench) Appended(done []*managed.Op) {
	for _, op := range done {
		b.appends <- op
	}
}

// publish appends entries with the given metadata and returns when they are stored. Nobody is woken.
func (b *bench) publish(ms ...wire.Metadata) {
	b.t.Helper()
	ops := make([]*managed.Op, len(ms))
	for i := range ms {
		ms[i].ProducerName = []byte("p")
		ms[i].SequenceID = uint64(len(b.published) + i)
		ms[i].PublishTime = b.clock.UnixMilli()
		ops[i] = &managed.Op{Done: b}
		ops[i].Add.Body = bk.Bytes(wire.AppendPayload(nil, &ms[i], []byte("payload")))
	}
	b.ledger.Append(ops)
	for range ops {
		op := <-b.appends
		if op.Err != nil {
			b.t.Fatal(op.Err)
		}
		b.numbers[op.Position] = len(b.published)
		b.published = append(b.published, op.Position)
	}
}

// many are n plain messages.
func many(n int) []wire.Metadata { return make([]wire.Metadata, n) }

// subscribe makes a durable subscription at the beginning.
func (b *bench) subscribe(name string, partition int, l Limits) *Subscription {
	b.t.Helper()
	c, err := b.ledger.OpenCursor(context.Background(), name, managed.CursorOptions{Start: bk.Earliest})
	if err != nil {
		b.t.Fatal(err)
	}
	s := New(Options{
		Topic: "t", Name: name, Partition: partition, Ledger: b.ledger, Cursor: c, Readers: NewReaders(0), Limits: l,
		Now: func() time.Time { return b.clock },
	})
	b.subs = append(b.subs, s)
	return s
}

// settle waits until the subscription has read from disk what it wants.
func settle(s *Subscription) { s.reads.Wait() }

// outlet is a connection that notes what it is told.
type outlet struct {
	mu        sync.Mutex
	congested bool
	got       map[*Consumer][]Delivery
	events    []string
	onDeliver func(c *Consumer, ds []Delivery)
}

func newOutlet() *outlet { return &outlet{got: map[*Consumer][]Delivery{}} }

func (o *outlet) Deliver(c *Consumer, ds []Delivery) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.onDeliver != nil {
		o.onDeliver(c, ds)
	}
	for i := range ds {
		if ds[i].Payload.B[0] == 0xDB {
			panic("a released payload was delivered")
		}
		ds[i].Payload.Release()
		ds[i].Payload = bk.Buf{}
	}
	o.got[c] = append(o.got[c], ds...)
}

func (o *outlet) Congested() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.congested
}

func (o *outlet) event(format string, args ...any) {
	o.mu.Lock()
	o.events = append(o.events, fmt.Sprintf(format, args...))
	o.mu.Unlock()
}

func (o *outlet) ActiveChanged(c *Consumer, active bool) {
	if active {
		o.event("%s is active", c.Name())
	} else {
		o.event("%s stands by", c.Name())
	}
}
func (o *outlet) Disconnect(c *Consumer) { o.event("%s disconnected", c.Name()) }
func (o *outlet) EndOfTopic(c *Consumer) { o.event("%s at the end", c.Name()) }

// take is what c got since the last take.
func (o *outlet) take(c *Consumer) []Delivery {
	o.mu.Lock()
	defer o.mu.Unlock()
	ds := o.got[c]
	delete(o.got, c)
	return ds
}

// script runs the commands of a transcript on one subscription; entries are named by their number in order of publishing.
type script struct {
	b         *bench
	s         *Subscription
	consumers map[string]*Consumer
	outlets   map[string]*outlet
	names     []string
}

func newScript(t *testing.T, limits Limits, o managed.Options) *script {
	b := newBench(t, o)
	return &script{b: b, s: b.subscribe("sub", -1, limits), consumers: map[string]*Consumer{}, outlets: map[string]*outlet{}}
}

var types = map[string]Type{"exclusive": Exclusive, "shared": Shared, "failover": Failover, "key_shared": KeyShared}

func (sc *script) run(cmd string, args []string) string {
	var b strings.Builder
	opt := func(key string) (string, bool) {
		for _, a := range args {
			if k, v, ok := strings.Cut(a, "="); ok && k == key {
				return v, true
			}
		}
		return "", false
	}
	num := func(key string, def int) int {
		if v, ok := opt(key); ok {
			n, err := strconv.Atoi(v)
			if err != nil {
				sc.b.t.Fatalf("%s %v: %v", cmd, args, err)
			}
			return n
		}
		return def
	}
	fail := func(err error) {
		if err != nil {
			fmt.Fprintf(&b, "refused: %v\n", err)
		}
	}
	switch cmd {
	case "publish": // publish n [key=k] [batch=m] [marker=t] [chunks=n uuid=u]
		n, _ := strconv.Atoi(args[0])
		ms := many(n)
		for i := range ms {
			if k, ok := opt("key"); ok {
				ms[i].PartitionKey = []byte(k)
			}
			if m := num("batch", 0); m > 0 {
				ms[i].Batch, ms[i].Messages = true, int32(m)
			}
			ms[i].Marker = int32(num("marker", 0))
			if c := num("chunks", 0); c > 0 {
				u, _ := opt("uuid")
				ms[i].Chunks, ms[i].ChunkID, ms[i].UUID = int32(c), int32(num("chunk", i)), []byte(u)
			}
		}
		sc.b.publish(ms...)
		sc.s.Wake()
	case "keys": // keys a b c…: one message of each key
		var ms []wire.Metadata
		for _, k := range args {
			ms = append(ms, wire.Metadata{PartitionKey: []byte(k)})
		}
		sc.b.publish(ms...)
		sc.s.Wake()
	case "subscribe": // subscribe name type [priority=p] [flow=n] [ranges=a-b,c-d] [ooo=1]
		o := newOutlet()
		co := ConsumerOptions{Name: args[0], Priority: int32(num("priority", 0)), Outlet: o, AllowOutOfOrder: num("ooo", 0) != 0}
		if rs, ok := opt("ranges"); ok {
			co.KeyMode = Sticky
			for r := range strings.SplitSeq(rs, ",") {
				from, to, _ := strings.Cut(r, "-")
				x, _ := strconv.Atoi(from)
				y, _ := strconv.Atoi(to)
				co.Ranges = append(co.Ranges, HashRange{int32(x), int32(y)})
			}
		}
		c, err := sc.s.AddConsumer(context.Background(), types[args[1]], co)
		if err != nil {
			fail(err)
			break
		}
		if _, again := sc.outlets[args[0]]; !again {
			sc.names = append(sc.names, args[0])
		}
		sc.consumers[args[0]], sc.outlets[args[0]] = c, o
		if n := num("flow", 0); n > 0 {
			c.Flow(uint32(n))
		}
	case "flow":
		n, _ := strconv.Atoi(args[1])
		sc.consumers[args[0]].Flow(uint32(n))
	case "ack": // ack name number… or number/bits-left
		var acks []Ack
		for _, a := range args[1:] {
			acks = append(acks, sc.ack(a))
		}
		fail(sc.consumers[args[0]].Ack(acks, false))
	case "cumulative":
		fail(sc.consumers[args[0]].Ack([]Ack{sc.ack(args[1])}, true))
	case "redeliver": // redeliver name [number…]
		var ids []bk.Position
		for _, a := range args[1:] {
			ids = append(ids, sc.ack(a).Position)
		}
		sc.consumers[args[0]].Redeliver(ids, -1)
	case "close":
		_ = sc.consumers[args[0]].Close()
	case "congest", "drain":
		o := sc.outlets[args[0]]
		o.mu.Lock()
		o.congested = cmd == "congest"
		o.mu.Unlock()
		if cmd == "drain" {
			sc.consumers[args[0]].Drained()
		}
	case "seek": // seek number|earliest|latest
		switch args[0] {
		case "earliest":
			fail(sc.s.Seek(context.Background(), bk.Earliest, nil))
		case "latest":
			fail(sc.s.Seek(context.Background(), bk.Latest, nil))
		default:
			a := sc.ack(args[0])
			fail(sc.s.Seek(context.Background(), a.Position, a.AckSet))
		}
	case "tick": // tick ms: time goes on
		n, _ := strconv.Atoi(args[0])
		sc.b.clock = sc.b.clock.Add(time.Duration(n) * time.Millisecond)
	case "seektime": // seektime ms ago
		n, _ := strconv.Atoi(args[0])
		fail(sc.s.SeekTime(context.Background(), sc.b.clock.Add(-time.Duration(n)*time.Millisecond)))
	case "expire": // expire ms: everything older
		n, _ := strconv.Atoi(args[0])
		k, err := sc.s.ExpireBefore(context.Background(), sc.b.clock.Add(-time.Duration(n)*time.Millisecond))
		fail(err)
		fmt.Fprintf(&b, "%d expired\n", k)
	case "skip":
		n, _ := strconv.Atoi(args[0])
		fail(sc.s.Skip(int64(n)))
	case "drop-cache":
		sc.b.manager.Cache().Drop()
	case "terminate":
		if _, err := sc.b.ledger.Terminate(context.Background()); err != nil {
			sc.b.t.Fatal(err)
		}
		sc.s.Terminated()
	case "stats":
		st := sc.s.Stats()
		fmt.Fprintf(&b, "mark-delete %s backlog %d unacked %d redeliver %d held %d", sc.number(st.MarkDelete), st.Backlog, st.Unacked, st.Redeliver, st.HeldBack)
		if st.Blocked {
			b.WriteString(" blocked")
		}
		b.WriteString("\n")
		for _, c := range st.Consumers {
			fmt.Fprintf(&b, "  %s permits %d unacked %d out %d", c.Name, c.Permits, c.Unacked, c.MessagesOut)
			if c.Blocked {
				b.WriteString(" blocked")
			}
			b.WriteString("\n")
		}
	default:
		sc.b.t.Fatalf("no command %q", cmd)
	}
	settle(sc.s)
	return b.String() + sc.report()
}

// ack reads number or number/bits, bits being the batch indexes left, index 0 first.
func (sc *script) ack(arg string) Ack {
	number, left, batch := strings.Cut(arg, "/")
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n >= len(sc.b.published) {
		sc.b.t.Fatalf("no entry %q", arg)
	}
	a := Ack{Position: sc.b.published[n]}
	if batch {
		var w int64
		for i, c := range left {
			if c == '1' {
				w |= 1 << i
			}
		}
		a.AckSet = []int64{w}
	}
	return a
}

func (sc *script) number(p bk.Position) string {
	if n, ok := sc.b.numbers[p]; ok {
		return "#" + strconv.Itoa(n)
	}
	return "start"
}

// report is what consumers were told and given since the last report.
func (sc *script) report() string {
	var b strings.Builder
	for _, n := range sc.names {
		o := sc.outlets[n]
		for _, e := range o.events {
			b.WriteString(e + "\n")
		}
		o.events = nil
		ds := o.take(sc.consumers[n])
		if len(ds) == 0 {
			continue
		}
		fmt.Fprintf(&b, "%s <-", n)
		for _, d := range ds {
			b.WriteString(" " + sc.number(d.Position))
			if d.Messages > 1 {
				fmt.Fprintf(&b, "x%d", d.Messages)
			}
			if d.AckSet != nil {
				fmt.Fprintf(&b, "/%b", d.AckSet[0])
			}
			if d.Redelivery > 0 {
				fmt.Fprintf(&b, "r%d", d.Redelivery)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

package managed

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/meta/memory"
)

// nullLedgers are ledgers that confirm everything at once on a goroutine of their own, and store nothing: what is measured above
// them is the managed ledger.
type nullLedgers struct {
	bk.Ledgers
	mu   sync.Mutex
	next int64
}

func (n *nullLedgers) Create(context.Context, bk.CreateOptions) (bk.Ledger, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.next++
	l := &nullLedger{id: n.next, queue: make(chan []*bk.Add, 64), free: make(chan []*bk.Add, 64)}
	go l.loop()
	return l, nil
}

func (n *nullLedgers) Delete(context.Context, int64) error { return nil }

type nullLedger struct {
	bk.Ledger
	id, entries int64
	queue, free chan []*bk.Add
}

func (l *nullLedger) ID() int64 { return l.id }

func (l *nullLedger) Add(adds []*bk.Add) {
	var list []*bk.Add
	select {
	case list = <-l.free:
	default:
	}
	for _, a := range adds {
		a.Entry = l.entries
		l.entries++
	}
	l.queue <- append(list[:0], adds...)
}

func (l *nullLedger) loop() {
	for list := range l.queue {
		list[0].Done.AddsDone(list)
		select {
		case l.free <- list:
		default:
		}
	}
}

func (l *nullLedger) Close(context.Context) error { close(l.queue); return nil }

type countAppended struct{ done chan int }

func (c *countAppended) Appended(done []*Op) { c.done <- len(done) }

// BenchmarkAppend is an append and its completion, in lists of ten, the cache included.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{100, 1024, 50 << 10} {
		for _, cache := range []int64{-1, 0, 1 << 20} {
			b.Run(fmt.Sprintf("%dB/cache=%d", size, cache), func(b *testing.B) { benchAppend(b, size, cache) })
		}
	}
}

func benchAppend(b *testing.B, size int, cache int64) {
	m := New(Options{Ledgers: &nullLedgers{}, Meta: memory.New(), CacheBytes: cache})
	defer m.Close(context.Background())
	l, err := m.Open(b.Context(), topic, Config{MaxEntriesPerLedger: 1 << 40, MaxBytesPerLedger: 1 << 60}, true)
	if err != nil {
		b.Fatal(err)
	}
	const list = 10
	c := &countAppended{done: make(chan int, 1)}
	payload := make([]byte, size)
	ops := make([]*Op, list)
	head := []byte("broker entry metadata")
	for i := range ops {
		ops[i] = &Op{Done: c}
	}
	round := func() {
		for _, op := range ops {
			op.Add.Head, op.Add.Body = head, bk.Bytes(payload)
		}
		l.Append(ops)
		for n := 0; n < list; {
			n += <-c.done
		}
	}
	for range 100 {
		round()
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += list {
		round()
	}
	b.StopTimer()
}

// BenchmarkAckIndividual acknowledges entries one by one, slightly out of order, as a shared subscription does.
func BenchmarkAckIndividual(b *testing.B) {
	l := benchLedger(b)
	c := l.NonDurable("sub", bk.Earliest)
	items := make([]Ack, 1)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		items[0].Position = bk.Position{Ledger: 1, Entry: int64(i ^ 7)}
		c.AckIndividual(items)
	}
	if b.StopTimer(); c.Backlog() > int64(benchEntries-b.N+8) {
		b.Fatalf("backlog %d after %d acks", c.Backlog(), b.N)
	}
}

// BenchmarkAckHoles acknowledges every second entry of a large backlog: the most ranges there can be.
func BenchmarkAckHoles(b *testing.B) {
	l := benchLedger(b)
	c := l.NonDurable("sub", bk.Earliest)
	items := make([]Ack, 1)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		items[0].Position = bk.Position{Ledger: 1, Entry: int64(i*2+1) % benchEntries}
		c.AckIndividual(items)
	}
}

func BenchmarkAckCumulative(b *testing.B) {
	l := benchLedger(b)
	c := l.NonDurable("sub", bk.Earliest)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		c.AckCumulative(bk.Position{Ledger: 1, Entry: int64(i)}, nil, nil)
	}
}

const benchEntries = 1 << 40

// benchLedger is a managed ledger that believes it has a great many entries.
func benchLedger(b *testing.B) *Ledger {
	m := New(Options{Ledgers: &nullLedgers{}, Meta: memory.New()})
	l, err := m.Open(b.Context(), topic, Config{}, true)
	if err != nil {
		b.Fatal(err)
	}
	l.chain.push(link{ledger: 1, entries: benchEntries, timestamp: 1})
	l.lac = l.chain.last()
	b.Cleanup(func() { _ = m.Close(context.Background()) })
	return l
}

// BenchmarkReadCached reads tail entries in lists of a hundred.
func BenchmarkReadCached(b *testing.B) {
	l := benchLedger(b)
	l.NonDurable("", bk.Earliest) // keeps the entries
	c := l.m.cache
	payload := bk.Bytes(make([]byte, 1024))
	adds := make([]*bk.Add, 1000)
	for i := range adds {
		adds[i] = &bk.Add{Entry: int64(i), Body: payload}
	}
	c.put(l, 1, adds)
	var dst []Entry
	b.SetBytes(1024)
	b.ReportAllocs()
	for i := 0; i < b.N; i += 100 {
		dst = c.get(dst[:0], 1, int64(i%900), 999, 100, 1<<20)
		for _, e := range dst {
			e.Payload.Release()
		}
	}
}

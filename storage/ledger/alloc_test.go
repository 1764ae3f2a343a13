package ledger

import (
	"runtime"
	"sync"
	"testing"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bookie"
	"github.com/strobemq/strobe/storage/meta/memory"
)

// nowhere is a store that keeps nothing and answers everything from its own goroutine, in lists.
type nowhere struct {
	bookie.Store
	mu     sync.Mutex
	wake   *sync.Cond
	queue  []*bk.Record
	closed bool
	joined sync.WaitGroup
}

func newNowhere() *nowhere {
	s := &nowhere{}
	s.wake = sync.NewCond(&s.mu)
	s.joined.Go(s.run)
	return s
}

func (s *nowhere) Append(records []*bk.Record) {
	s.mu.Lock()
	s.queue = append(s.queue, records...)
	s.wake.Signal()
	s.mu.Unlock()
}

func (s *nowhere) run() {
	var list []*bk.Record
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for len(s.queue) == 0 && !s.closed {
			s.wake.Wait()
		}
		if len(s.queue) == 0 {
			return
		}
		list, s.queue = s.queue, list[:0]
		s.mu.Unlock()
		for rest := list; len(rest) > 0; {
			n := 1
			for n < len(rest) && rest[n].Done == rest[0].Done {
				n++
			}
			rest[0].Done.RecordsDone(rest[:n])
			rest = rest[n:]
		}
		s.mu.Lock()
	}
}

func (s *nowhere) Ledger(int64) (bk.LedgerState, error) { return bk.LedgerState{}, bk.ErrNoLedger }
func (s *nowhere) ReadOnly() error                      { return nil }

func (s *nowhere) Close() error {
	s.mu.Lock()
	s.closed = true
	s.wake.Broadcast()
	s.mu.Unlock()
	s.joined.Wait()
	return nil
}

// locals is Bookies over in-process bookies.
type locals struct {
	ids   []string
	conns map[string]BookieConn
}

func (l *locals) Conn(id string) (BookieConn, error) { return l.conns[id], nil }
func (l *locals) Writable() []string                 { return l.ids }

// pump keeps a number of adds in flight.
type pump struct {
	w    bk.Ledger
	free chan []*bk.Add
}

func (p *pump) AddsDone(done []*bk.Add) {
	for _, a := range done {
		if a.Err != nil {
			panic(a.Err)
		}
		list := a.Ctx.(*[]*bk.Add)
		if *list = append(*list, a); len(*list) == cap(*list) {
			p.free <- *list
		}
	}
}

// newPump makes a ledger on n bookies that keep nothing, and lists of adds to send.
func newPump(t testing.TB, n, ack, lists, perList, size int) *pump {
	m := memory.New()
	l := &locals{conns: map[string]BookieConn{}}
	for i := range n {
		id := string(rune('a' + i))
		b := bookie.New(id, newNowhere(), bookie.Options{})
		t.Cleanup(func() { b.Close() })
		l.ids = append(l.ids, id)
		l.conns[id] = b.Local()
	}
	c := New(m, l, Options{})
	t.Cleanup(func() { c.Close() })
	w, err := c.Create(ctx, bk.CreateOptions{Quorum: bk.Quorum{Ensemble: n, Write: n, Ack: ack}, Digest: bk.DigestCRC32C})
	if err != nil {
		t.Fatal(err)
	}
	p := &pump{w: w, free: make(chan []*bk.Add, lists)}
	head, body := make([]byte, 20), make([]byte, size)
	for range lists {
		list := make([]*bk.Add, perList)
		ref := new([]*bk.Add)
		*ref = make([]*bk.Add, 0, perList)
		for i := range list {
			list[i] = &bk.Add{Head: head, Body: bk.Bytes(body), Done: p, Ctx: ref}
		}
		p.free <- list
	}
	return p
}

// send hands over n lists.
func (p *pump) send(n int) {
	for range n {
		list := <-p.free
		ref := list[0].Ctx.(*[]*bk.Add)
		*ref = (*ref)[:0]
		p.w.Add(list)
	}
}

// drain waits for everything in flight.
func (p *pump) drain() {
	var lists [][]*bk.Add
	for range cap(p.free) {
		lists = append(lists, <-p.free)
	}
	for _, l := range lists {
		p.free <- l
	}
}

// TestAddAllocatesNothing counts allocations over client and bookie in the steady state.
func TestAddAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	for _, n := range []int{1, 3} {
		p := newPump(t, n, n, 16, 8, 1024) // with all acknowledgements, or a bookie that lags needs more ops at times
		p.send(2000)
		p.drain()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		p.send(5000)
		p.drain()
		runtime.ReadMemStats(&after)
		per := float64(after.Mallocs-before.Mallocs) / (5000 * 8)
		t.Logf("%d bookies: %.4f allocations an add", n, per)
		if per > 0.05 {
			t.Errorf("%d bookies: %.3f allocations an add", n, per)
		}
	}
}

func benchmarkAdd(b *testing.B, bookies, perList int) {
	p := newPump(b, bookies, bookies/2+1, 16, perList, 1024)
	p.send(100)
	b.SetBytes(1024)
	b.ReportAllocs()
	b.ResetTimer()
	p.send((b.N + perList - 1) / perList)
	p.drain()
}

func BenchmarkAdd1Bookie(b *testing.B)         { benchmarkAdd(b, 1, 1) }
func BenchmarkAdd1BookieLists(b *testing.B)    { benchmarkAdd(b, 1, 16) }
func BenchmarkAdd3BookiesLists(b *testing.B)   { benchmarkAdd(b, 3, 16) }
func BenchmarkAdd3BookiesSingles(b *testing.B) { benchmarkAdd(b, 3, 1) }

package remote

import (
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/bookie"
	"github.com/strobemq/strobe/storage/bookie/server"
	"github.com/strobemq/strobe/storage/ledger"
)

// nowhere is a store that keeps nothing and answers everything from its own goroutine, in lists.
type nowhere struct {
	bookie.Store
	mu     sync.Mutex
	wake   sync.Cond
	queue  []*bk.Record
	closed bool
	joined sync.WaitGroup
}

func newNowhere() *nowhere {
	s := &nowhere{}
	s.wake.L = &s.mu
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

// pump keeps lists of adds in flight on one connection.
type pump struct {
	conn ledger.BookieConn
	free chan []*bk.BookieAdd
	next int64
}

func (p *pump) BookieAddsDone(done []*bk.BookieAdd) {
	for _, a := range done {
		if a.Err != bk.OK {
			panic(a.Err)
		}
		list := a.Ctx.(*[]*bk.BookieAdd)
		if *list = append(*list, a); len(*list) == cap(*list) {
			p.free <- *list
		}
	}
}

func newPump(t testing.TB, conn ledger.BookieConn, lists, perList, size int) *pump {
	p := &pump{conn: conn, free: make(chan []*bk.BookieAdd, lists)}
	s := bk.NewSlab(size)
	t.Cleanup(s.Release)
	for range lists {
		list := make([]*bk.BookieAdd, 0, perList)
		for range perList {
			list = append(list, &bk.BookieAdd{Ledger: 7, MasterKey: ourKey, Head: make([]byte, 56), Body: s.Buf(0, size), Done: p, Ctx: &list})
		}
		p.free <- list
	}
	return p
}

// send sends one list as soon as there is one.
func (p *pump) send() {
	list := <-p.free
	own := list[0].Ctx.(*[]*bk.BookieAdd)
	*own = (*own)[:0]
	for _, a := range list {
		a.Entry = p.next
		h := bkwire.Header{Ledger: a.Ledger, Entry: a.Entry}
		a.Head = digester.AppendHead(a.Head[:0], h, nil, nil)
		p.next++
	}
	p.conn.Add(list[:len(list):len(list)])
}

func (p *pump) drain() {
	for range cap(p.free) {
		<-p.free
	}
}

// dialNowhere is a bookie that keeps nothing, reached over TCP or in the process.
func dialNowhere(t testing.TB, tcp bool) ledger.BookieConn {
	b := bookie.New("b", newNowhere(), bookie.Options{})
	t.Cleanup(func() { b.Close() })
	if !tcp {
		return b.Local()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := server.New(b, server.Options{})
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	c, err := NewDialer(Options{}).Dial("b", bkwire.ServiceInfo{Endpoints: []bkwire.Endpoint{bkwire.RPCEndpoint("127.0.0.1", l.Addr().(*net.TCPAddr).Port)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// BenchmarkAdd has up to 64 lists of 64 adds in flight, of at most 16 MiB.
func BenchmarkAdd(b *testing.B) {
	bk.PoisonSlabs(false)
	defer bk.PoisonSlabs(true)
	for _, size := range []int{100, 1 << 10, 16 << 10} {
		for _, tcp := range []bool{false, true} {
			b.Run(fmt.Sprintf("%dB/%s", size, map[bool]string{false: "local", true: "tcp"}[tcp]), func(b *testing.B) {
				const perList = 64
				p := newPump(b, dialNowhere(b, tcp), min(64, 16<<20/(perList*size)), perList, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for n := 0; n < b.N; n += perList {
					p.send()
				}
				p.drain()
			})
		}
	}
}

// BenchmarkRead reads entries of 1 KiB that are in memory, one reader, batches of 1 MiB and one by one.
func BenchmarkRead(b *testing.B) {
	bk.PoisonSlabs(false)
	defer bk.PoisonSlabs(true)
	c := newCluster(b, 1)
	conn, err := NewDialer(Options{}).Dial(c.peers[0].addr, bkwire.ServiceInfo{})
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	const entries = 10_000
	a := newAnswers()
	for i := range int64(entries) {
		a.add(conn, 0, 7, i, strings.Repeat("x", 1<<10))
	}
	a.wait()
	for _, maxBytes := range []int{1 << 20, 0} {
		b.Run(fmt.Sprint(maxBytes), func(b *testing.B) {
			b.SetBytes(1 << 10)
			for n := 0; n < b.N; {
				first := int64(n % entries)
				got, err := conn.Read(ctx, bk.BookieRead{Ledger: 7, First: first, Last: min(entries-1, first+int64(maxBytes>>10)), MaxBytes: maxBytes})
				if err != nil {
					b.Fatal(err)
				}
				n += len(got)
				release(got)
			}
		})
	}
}

// TestAddsAllocateNothing, in client and server together, once they run.
func TestAddsAllocateNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	p := newPump(t, dialNowhere(t, true), 16, 64, 1<<10)
	const rounds = 1000
	var before, after runtime.MemStats
	for range rounds {
		p.send()
	}
	runtime.ReadMemStats(&before)
	for range rounds {
		p.send()
	}
	p.drain()
	runtime.ReadMemStats(&after)
	if per := float64(after.Mallocs-before.Mallocs) / (rounds * 64); per > 0.1 {
		t.Errorf("%.3f allocations for an add", per)
	} else {
		t.Logf("%.4f allocations for an add", per)
	}
}

package managed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/storagetest"
)

// Close does not wait for bookies longer than its context, and gives everything back.
func TestCloseHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.manager(Options{})
		l := w.open(m, Config{})
		p := newProducer(t, l)
		p.publish("durable")
		w.ledgers.Hold()
		p.send("in flight")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := l.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("close: %v", err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("close took %v", took)
		}
		if err := p.wait()[1].Err; !errors.Is(err, ErrClosed) {
			t.Errorf("in flight: %v", err)
		}
		p.send("late")
		if err := p.wait()[2].Err; !errors.Is(err, ErrClosed) {
			t.Errorf("late: %v", err)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Errorf("second close: %v", err)
		}
		w.ledgers.Unhold()
		_ = m.Close(t.Context())
	})
}

// Without bookies appends wait, and fail after a while; when bookies are back they go on.
func TestAppendTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.manager(Options{})
		l := w.open(m, Config{AppendTimeout: 20 * time.Second})
		var back atomic.Bool
		w.ledgers.Before = func(op storagetest.MemOp) error {
			if op.Name == "create" && !back.Load() {
				return bk.ErrNotEnough
			}
			return nil
		}
		p := newProducer(t, l)
		began := time.Now()
		p.send(numbered(0, 3)...)
		synctest.Wait()
		time.Sleep(10 * time.Second)
		p.mu.Lock()
		if len(p.done) != 0 {
			t.Error("failed at once")
		}
		p.mu.Unlock()
		time.Sleep(20 * time.Second)
		for _, op := range p.wait() {
			if !errors.Is(op.Err, bk.ErrNotEnough) {
				t.Errorf("append: %v after %v", op.Err, time.Since(began))
			}
		}
		p.send("again")
		time.Sleep(10 * time.Second)
		back.Store(true)
		if err := p.wait()[3].Err; err != nil {
			t.Errorf("append when bookies are back: %v", err)
		}
		_ = m.Close(t.Context())
	})
}

// A cause that breaks every ledger at its first entry does not use up ledgers, and an entry that is too large fails.
func TestLedgersBreakAtOnce(t *testing.T) {
	for _, cause := range []error{bk.ErrUnauthorized, bk.ErrEntryTooLarge} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			m := w.manager(Options{})
			l := w.open(m, Config{AppendTimeout: 20 * time.Second})
			var bad atomic.Bool
			bad.Store(true)
			w.ledgers.Before = func(op storagetest.MemOp) error {
				if op.Name == "add" && bad.Load() {
					return cause
				}
				return nil
			}
			p := newProducer(t, l)
			p.send(numbered(0, 3)...)
			time.Sleep(time.Minute)
			for _, op := range p.wait() {
				if !errors.Is(op.Err, cause) {
					t.Errorf("append: %v, want %v", op.Err, cause)
				}
			}
			if n := m.Metrics().LedgersCreated; n > 15 {
				t.Errorf("%d ledgers were used up", n)
			}
			bad.Store(false)
			p.send("good")
			if err := p.wait()[3].Err; err != nil {
				t.Errorf("append when the cause is gone: %v", err)
			}
			closeLedger(t, l)
			if n := len(w.ledgers.IDs()); n != 1 {
				t.Errorf("%d ledgers are left, want 1", n)
			}
			_ = m.Close(t.Context())
		})
	}
}

// Two processes fight for a topic. Whatever either acknowledged is there in the end, where it was said to be, once.
func TestOwnersFight(t *testing.T) {
	w := newWorld(t)
	w.ledgers.KeepPending = func(ledger int64, pending int) int { return int(ledger*7) % (pending + 1) }
	var mu sync.Mutex
	acked := map[bk.Position]string{}
	var owners sync.WaitGroup
	cfg := Config{MaxEntriesPerLedger: 6, RetentionTime: -1, RetentionBytes: -1}
	for owner := range 2 {
		m := w.manager(Options{})
		owners.Go(func() {
			for round := range 25 {
				l, err := m.Open(t.Context(), topic, cfg, true)
				if err != nil {
					if !errors.Is(err, ErrFenced) {
						t.Errorf("open: %v", err)
					}
					continue
				}
				p := newProducer(t, l)
				for i := range 10 {
					p.send(fmt.Sprintf("owner %d round %d entry %d", owner, round, i))
				}
				for _, op := range p.wait() {
					switch {
					case op.Err == nil:
						mu.Lock()
						acked[op.Position] = op.Ctx.(string)
						mu.Unlock()
					case !errors.Is(op.Err, ErrFenced):
						t.Errorf("append: %v", op.Err)
					}
				}
				if err := l.Close(t.Context()); err != nil && !errors.Is(err, ErrFenced) {
					t.Errorf("close: %v", err)
				}
			}
		})
	}
	owners.Wait()
	l := w.open(w.manager(Options{}), cfg)
	ps, payloads := readAll(t, l, bk.Earliest)
	once := map[string]bool{}
	for i, p := range ps {
		if once[payloads[i]] {
			t.Errorf("%q is there twice", payloads[i])
		}
		once[payloads[i]] = true
		if want, ok := acked[p]; ok && want != payloads[i] {
			t.Errorf("%v holds %q, acknowledged was %q", p, payloads[i], want)
		}
		delete(acked, p)
	}
	if len(acked) > 0 {
		t.Errorf("lost: %v", acked)
	}
	if len(ps) < 50 {
		t.Errorf("only %d entries came through", len(ps))
	}
}

// Everything at once, for the race detector: appends over rollovers, tail and backlog readers, acks, flushes, trims, statistics.
func TestHammer(t *testing.T) {
	w := newWorld(t)
	m := w.manager(Options{FlushInterval: 2 * time.Millisecond, CacheBytes: 64 << 10})
	l := w.open(m, Config{MaxEntriesPerLedger: 20, RetentionBytes: 1, CursorMaxEntries: 5})
	const entries, subs = 1500, 3
	var all sync.WaitGroup
	for s := range subs {
		c := openCursor(t, l, fmt.Sprint("sub", s))
		all.Go(func() { consume(t, l, c, entries) })
	}
	stop := make(chan struct{})
	var side sync.WaitGroup
	side.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				l.Info()
				_ = l.Trim(t.Context())
				_ = l.SetProperties(t.Context(), map[string]string{"k": "v"})
				r := l.NonDurable("", bk.Earliest)
				_ = r.Close(t.Context())
			}
		}
	})
	p := newProducer(t, l)
	for i := 0; i < entries; i += 5 {
		p.send(numbered(i, i+5)...)
		if i%100 == 0 {
			p.wait()
		}
	}
	for _, op := range p.wait() {
		if op.Err != nil {
			t.Fatalf("append: %v", op.Err)
		}
	}
	all.Wait()
	close(stop)
	side.Wait()
	for _, c := range l.Cursors() {
		if c.Backlog() != 0 {
			t.Errorf("cursor %s is %d behind", c.Name(), c.Backlog())
		}
	}
	closeLedger(t, l)
	l = w.open(m, Config{})
	for _, c := range l.Cursors() {
		if c.Backlog() != 0 {
			t.Errorf("reopened cursor %s is %d behind", c.Name(), c.Backlog())
		}
	}
}

// consume reads n entries in order and acknowledges them, some of them out of order.
func consume(t *testing.T, l *Ledger, c *Cursor, n int) {
	seen := 0
	var late []Ack
	from := bk.Earliest
	for seen < n {
		got, err := l.Read(t.Context(), from, 17, 4096)
		if err != nil {
			t.Errorf("read: %v", err)
			return
		}
		if len(got) == 0 {
			time.Sleep(100 * time.Microsecond)
			continue
		}
		for _, e := range got {
			if want := fmt.Sprintf("entry %d", seen); string(e.Payload.B) != want {
				t.Errorf("%v holds %q, want %q", e.Position, e.Payload.B, want)
				return
			}
			e.Payload.Release()
			seen++
			from = bk.Position{Ledger: e.Position.Ledger, Entry: e.Position.Entry + 1}
			if seen%7 == 0 {
				late = append(late, Ack{Position: e.Position})
			} else {
				c.AckIndividual([]Ack{{Position: e.Position}})
			}
		}
		if len(late) > 3 {
			c.AckIndividual(late)
			late = late[:0]
		}
	}
	c.AckIndividual(late)
}

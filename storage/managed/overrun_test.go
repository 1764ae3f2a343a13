package managed

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/storagetest"
)

// outage is metadata that can be away: calls wait for half a minute and then do not know.
type outage struct {
	mu   sync.Mutex
	back chan struct{} // closed when it is back; nil: it is there
	slow func() time.Duration
}

func (w *world) outage() *outage {
	o := &outage{}
	w.meta.faults(func(op, key string) error { return o.wait() }, nil)
	w.ledgers.Before = func(op storagetest.MemOp) error {
		if op.Name == "add" || op.Name == "read" {
			return nil
		}
		return o.wait()
	}
	return o
}

func (o *outage) wait() error {
	o.mu.Lock()
	back, slow := o.back, o.slow
	o.mu.Unlock()
	if slow != nil {
		time.Sleep(slow())
	}
	if back == nil {
		return nil
	}
	select {
	case <-back:
		return nil
	case <-time.After(30 * time.Second):
		return fmt.Errorf("%w: nobody answers", meta.ErrUnknown)
	}
}

func (o *outage) begin() {
	o.mu.Lock()
	o.back = make(chan struct{})
	o.mu.Unlock()
}

func (o *outage) end() {
	o.mu.Lock()
	close(o.back)
	o.back = nil
	o.mu.Unlock()
}

// TestOutageIsOverrun: ten minutes without metadata in which the ledger should have been replaced many times. It takes everything, and is
// replaced when they are back.
func TestOutageIsOverrun(t *testing.T) {
	for name, cfg := range map[string]Config{
		"full": {MaxEntriesPerLedger: 20}, "old": {MaxRollover: 30 * time.Second}, "idle": {InactiveRollover: 500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				o := w.outage()
				l := w.open(w.manager(Options{}), cfg)
				p := newProducer(t, l)
				pause := 200 * time.Millisecond
				if name == "idle" {
					pause = 2 * time.Second
				}
				n, slow := 0, 0
				publish := func(d time.Duration) {
					for until := time.Now().Add(d); time.Now().Before(until); n++ {
						begin := time.Now()
						p.publish(fmt.Sprintf("entry %d", n))
						if took := time.Since(begin); took > rollPatience {
							t.Errorf("entry %d took %v", n, took)
						} else if took > 0 {
							slow++
						}
						time.Sleep(pause)
					}
				}
				publish(10 * time.Second)
				if name == "idle" {
					p.publish("entry of a ledger that is open")
					n++
				}
				o.begin()
				before := len(l.Info().Ledgers)
				publish(10 * time.Minute)
				if after := len(l.Info().Ledgers); after != before {
					t.Errorf("%d ledgers before, %d after", before, after)
				}
				if slow > 20 && name != "idle" {
					t.Errorf("%d of %d publishes waited", slow, n)
				}
				o.end()
				publish(time.Minute)
				if after := len(l.Info().Ledgers); after == before {
					t.Error("nothing is rolled over when the metadata are back")
				}
				if _, got := readAll(t, l, bk.Earliest); len(got) != n {
					t.Errorf("%d entries of %d", len(got), n)
				}
				w.last.kill()
				if _, got := readAll(t, w.open(w.manager(Options{}), Config{}), bk.Earliest); len(got) != n {
					t.Errorf("the next owner finds %d entries of %d", len(got), n)
				}
			})
		})
	}
}

// TestOutageLosesNothing: the metadata go and come at random moments of many rollovers, and the owner dies. Whatever it acknowledged is
// there, in order, for the next.
func TestOutageLosesNothing(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			var mu sync.Mutex
			dice := func(d time.Duration) time.Duration {
				mu.Lock()
				defer mu.Unlock()
				return time.Duration(rng.Int64N(int64(d)))
			}
			w := newWorld(t)
			o := w.outage()
			o.slow = func() time.Duration { return dice(5 * time.Millisecond) }
			l := w.open(w.manager(Options{}), Config{MaxEntriesPerLedger: 5, AppendTimeout: time.Hour})
			p := newProducer(t, l)
			over := make(chan struct{})
			go func() {
				defer close(over)
				for range 5 {
					time.Sleep(dice(200 * time.Millisecond))
					o.begin()
					time.Sleep(dice([]time.Duration{100 * time.Millisecond, 20 * time.Second}[dice(2)]))
					o.end()
				}
			}()
			n := 0
			for done := false; !done; n++ {
				p.send(fmt.Sprintf("entry %d", n))
				time.Sleep(dice(40 * time.Millisecond))
				select {
				case <-over:
					done = true
				default:
				}
			}
			time.Sleep(dice(time.Second))
			w.last.kill()
			p.mu.Lock()
			acked := 0
			for _, op := range p.done {
				if op.Err != nil && !errors.Is(op.Err, ErrFenced) {
					t.Errorf("seed %d: %v: %v", seed, op.Ctx, op.Err)
				}
				acked++
			}
			p.mu.Unlock()
			_, got := readAll(t, w.open(w.manager(Options{}), Config{}), bk.Earliest)
			if len(got) < acked {
				t.Errorf("seed %d: %d were acknowledged, %d are there", seed, acked, len(got))
			}
			for i, s := range got {
				if s != fmt.Sprintf("entry %d", i) {
					t.Errorf("seed %d: entry %d is %q", seed, i, s)
					break
				}
			}
		})
	}
}

// TestSlowBookiesAreNoOutage: adds take longer than the patience with metadata. The ledger is replaced all the same.
func TestSlowBookiesAreNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.ledgers.Hold()
		l := w.open(w.manager(Options{}), Config{MaxEntriesPerLedger: 5})
		p := newProducer(t, l)
		for i := range 40 {
			p.send(fmt.Sprintf("entry %d", i))
			time.AfterFunc(3*rollPatience, func() { w.ledgers.Step(1) })
			time.Sleep(rollPatience)
		}
		time.Sleep(time.Minute)
		w.ledgers.Unhold()
		if n := len(l.Info().Ledgers); n < 3 {
			t.Errorf("%d entries in %d ledgers", 40, n)
		}
		p.wait()
	})
}

package topic

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/strobemq/strobe/broker/subscription"
	"github.com/strobemq/strobe/storage/bk"
)

// stubborn is a producer that sends 0…n-1 in order, a window at a time, and after every disconnection asks for the topic again and sends
// what was not acknowledged.
func stubborn(ctx context.Context, b *broker, t *testing.T, topic, name string, n uint64, progress func(acked uint64)) {
	var acked uint64 // 0…acked-1
	for epoch := uint64(0); acked < n; epoch++ {
		tp, err := b.Get(ctx, mustName(topic), true)
		if err != nil {
			continue
		}
		c := newConn(t)
		p, _, err := tp.AddProducer(ctx, ProducerOptions{Name: name, Epoch: epoch, Receipts: c})
		if err != nil {
			continue
		}
		next, bad := acked, false
		for acked < n && !bad {
			if to := min(n, acked+8); next < to {
				send(p, next, to-1)
				next = to
			}
			c.mu.Lock()
			c.waitLocked(func() bool { return len(c.done) > 0 || len(c.gone) > 0 })
			done := c.done
			c.done = nil
			bad = len(c.gone) > 0
			c.mu.Unlock()
			for _, d := range done {
				if d.Err != nil {
					bad = true
					continue
				}
				if !bad && d.SequenceID != acked {
					t.Errorf("%s: %d acknowledged, expected %d", name, d.SequenceID, acked)
				}
				if !bad {
					acked++
					progress(acked)
				}
			}
		}
		_ = p.Close()
	}
}

func mustName(s string) Name {
	n, err := ParseName(s)
	if err != nil {
		panic(err)
	}
	return n
}

// seen is what the consumers of one subscription acknowledged; whole is done when that is want different messages.
type seen struct {
	mu    sync.Mutex
	acked map[string]bool
	want  int
	whole context.Context
	stop  context.CancelFunc
}

func newSeen(ctx context.Context, want int) *seen {
	s := &seen{acked: map[string]bool{}, want: want}
	s.whole, s.stop = context.WithCancel(ctx)
	return s
}

func (s *seen) add(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.acked[text] = true; len(s.acked) == s.want {
		s.stop()
	}
}

// greedy consumes and acknowledges until the subscription's consumers have seen everything. With order, each producer's messages come in
// order as long as the consumer is connected.
func greedy(b *broker, t *testing.T, topic string, o SubscribeOptions, all *seen, order bool) {
	ctx := all.whole
	for ctx.Err() == nil {
		tp, err := b.Get(ctx, mustName(topic), true)
		if err != nil {
			continue
		}
		c := newConn(t)
		o.Consumer.Outlet = consumerEnd{c}
		s, err := tp.Subscribe(ctx, o)
		if err != nil {
			continue
		}
		wake := context.AfterFunc(ctx, func() {
			c.mu.Lock()
			c.cond.Broadcast()
			c.mu.Unlock()
		})
		s.Flow(50)
		last := map[string]int{}
		for dropped := false; !dropped && ctx.Err() == nil; {
			c.mu.Lock()
			c.waitLocked(func() bool { return len(c.got) > 0 || len(c.dropped) > 0 || ctx.Err() != nil })
			got := c.got
			c.got, dropped = nil, len(c.dropped) > 0
			c.mu.Unlock()
			for _, d := range got {
				text, _ := body(t, d)
				who, seq := parse(t, text)
				if l, before := last[who]; order && before && seq <= l {
					t.Errorf("%s: %d after %d", who, seq, l)
				}
				last[who] = seq
				if err := s.Ack(ackOf(d.Position), false); err != nil {
					t.Error(err)
				}
				all.add(text)
			}
			s.Flow(uint32(len(got)))
		}
		wake()
		_ = s.Close()
	}
}

func parse(t *testing.T, text string) (who string, seq int) {
	if _, err := fmt.Sscanf(text, "p%1s/%d", &who, &seq); err != nil {
		t.Errorf("%q: %v", text, err)
	}
	return who, seq
}

// TestHammer: producers and consumers of all kinds on one topic that is unloaded again and again, at random moments. Everything
// acknowledged is in the topic, once, in each producer's order, with indexes without a gap.
func TestHammer(t *testing.T) {
	const producers, each = 3, 1000
	w := newWorld(t)
	b := w.broker(Settings{Dedup: true, DedupEntries: 50})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tp := b.get(t, "t")
	for _, s := range []string{"exclusive", "shared", "keys"} {
		if err := tp.CreateSubscription(ctx, s, bk.Earliest, nil); err != nil {
			t.Fatal(err)
		}
	}
	var unloads, g sync.WaitGroup
	n := 0
	kick := make(chan struct{}, 1)
	unloads.Go(func() {
		for range kick {
			n++
			if err := b.Unload(ctx, mustName("t")); err != nil {
				t.Error(err)
			}
		}
	})
	for i := range producers {
		g.Go(func() {
			stubborn(ctx, b, t, "t", fmt.Sprint("p", i), each, func(acked uint64) {
				if acked%100 == 0 {
					select {
					case kick <- struct{}{}:
					default:
					}
				}
			})
		})
	}
	exclusive, shared, keys := newSeen(ctx, producers*each), newSeen(ctx, producers*each), newSeen(ctx, producers*each)
	var consumers sync.WaitGroup
	consumers.Go(func() { greedy(b, t, "t", SubscribeOptions{Name: "exclusive"}, exclusive, true) })
	for i := range 2 {
		o := SubscribeOptions{Name: "shared", Type: subscription.Shared, Consumer: subscription.ConsumerOptions{Name: fmt.Sprint("c", i)}}
		consumers.Go(func() { greedy(b, t, "t", o, shared, false) })
		k := o
		k.Name, k.Type = "keys", subscription.KeyShared
		consumers.Go(func() { greedy(b, t, "t", k, keys, false) })
	}
	g.Wait()
	close(kick)
	unloads.Wait()
	consumers.Wait()
	t.Logf("%d unloads", n)

	// What is in the topic.
	c := newConn(t)
	tp = b.get(t, "t")
	c.consume(tp, SubscribeOptions{Name: "audit", NonDurable: true, Start: &bk.Earliest}, 1<<20)
	next := map[string]int{}
	for i, d := range c.deliveries(producers * each) {
		text, index := body(t, d)
		who, seq := parse(t, text)
		if seq != next[who] || index != int64(i) {
			t.Fatalf("%s at index %d; expected %d at %d", text, index, next[who], i)
		}
		next[who]++
	}
	if st := tp.Stats(); st.Entries != producers*each {
		t.Errorf("%d entries", st.Entries)
	}
}

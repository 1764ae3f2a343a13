package sim

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/strobemq/strobe/storage/ledger"
	"github.com/strobemq/strobe/storage/managed"
	"github.com/strobemq/strobe/storage/remote"
)

// topic is the managed ledger that all brokers want.
const topic = "public/default/persistent/t"

// broker is one process of a broker: the storage of one, and now and then an owner of the topic.
type broker struct {
	c      *cluster
	p      *process
	dice   *dice
	life   sync.WaitGroup
	closed chan struct{} // nothing of it is left

	dialer  *remote.Dialer
	reg     *ledger.Registry
	client  *ledger.Client
	manager *managed.Manager

	mu      sync.Mutex
	ready   bool
	leaving bool // begins nothing any more
	opening bool
	tenure  *tenure
	rest    chan struct{} // non-nil while its actors pause
}

// startBroker begins a process on a node. It is of use when it has reached the metadata.
func (c *cluster) startBroker(node string) *broker {
	b := &broker{c: c, p: newProcess(node), dice: newDice(c.seed, node+"/"+c.nextName()), closed: make(chan struct{})}
	link := c.meta.connect(b.p, b.dice)
	b.dialer = remote.NewDialer(remote.Options{
		Timeout: c.plan.Timeout, DialTime: 100 * time.Millisecond, MaxPause: 200 * time.Millisecond, Log: c.logger(node),
		Dial: func(ctx context.Context, addr string) (net.Conn, error) { return c.net.dial(ctx, b.p, addr) },
	})
	b.life.Go(func() {
		for !b.p.over() {
			reg, err := ledger.NewRegistry(b.p.ctx, link, b.dialer.Dial)
			if err != nil {
				_ = sleep(b.p.ctx, startPause)
				continue
			}
			client := ledger.New(link, reg, ledger.Options{
				AddTimeout: c.plan.Timeout, ReadTimeout: c.plan.Timeout, Quarantine: 100 * time.Millisecond, Retry: 100 * time.Millisecond,
				FencedWait: 2 * time.Second, Log: c.logger(node),
			})
			manager := managed.New(managed.Options{
				Ledgers: client, Meta: link, CacheBytes: c.plan.Cache, FlushInterval: 30 * time.Millisecond, ClockGrace: -1, Log: c.logger(node),
			})
			b.mu.Lock()
			b.reg, b.client, b.manager, b.ready = reg, client, manager, true
			b.mu.Unlock()
			return
		}
	})
	return b
}

func (b *broker) over() bool { return b.p.over() }

// kill ends the process as kill -9 does.
func (b *broker) kill() {
	b.p.end()
	b.c.net.exit(b.p.node)
	hard, cancel := context.WithCancel(context.Background())
	cancel()
	b.shut(hard)
}

// shut frees everything, in the background.
func (b *broker) shut(ctx context.Context) {
	b.mu.Lock()
	b.leaving = true
	b.mu.Unlock()
	b.c.background.Go(func() {
		b.stopTenure()
		b.life.Wait()
		b.mu.Lock()
		ready := b.ready
		b.ready = false
		b.mu.Unlock()
		if ready {
			_ = b.manager.Close(ctx)
			b.count()
			b.client.Close()
			b.reg.Close()
		}
		b.p.end()
		b.c.net.exit(b.p.node)
		close(b.closed)
	})
}

func (b *broker) count() {
	h, l, m := b.c.h, b.client.Metrics(), b.manager.Metrics()
	h.count("ensemble changes", l.Changes)
	h.count("recoveries", l.Recoveries)
	h.count("writers fenced", l.Fenced)
	h.count("ledgers created", l.Created)
	h.count("reads from another replica", l.Fallbacks)
	h.count("ledgers ended early", m.Recovered)
	h.count("ledgers trimmed", m.LedgersTrimmed)
	h.count("owners fenced", m.Fenced)
}

// own makes the broker take the topic over, unless it believes that it has it. It tries until it succeeds or the time of faults is over.
func (b *broker) own() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.opening || b.tenure != nil || b.leaving {
		return
	}
	b.opening = true
	b.life.Go(func() {
		for again := true; again; {
			t := b.tryOpen()
			b.mu.Lock()
			b.opening, b.tenure = false, t
			if t != nil && b.leaving {
				t.stop()
			}
			b.mu.Unlock()
			if t == nil {
				return
			}
			t.run()
			again = t.fenced() && b.dice.one(3)
			b.mu.Lock()
			b.opening, b.tenure = again, nil
			b.mu.Unlock()
		}
	})
}

// tryOpen opens the topic; nil when the broker ends, or the time of faults.
func (b *broker) tryOpen() *tenure {
	for {
		b.pauses()
		b.mu.Lock()
		ready, end := b.ready, b.leaving || b.over() || b.c.life.Err() != nil
		b.mu.Unlock()
		if end {
			return nil
		}
		if ready {
			if t := b.open(); t != nil {
				return t
			}
		}
		_ = sleep(b.p.ctx, b.dice.between(5*time.Millisecond, 100*time.Millisecond))
	}
}

// open opens the topic, and judges what it finds of its cursors.
func (b *broker) open() *tenure {
	ctx, cancel := context.WithTimeout(b.p.ctx, b.dice.between(100*time.Millisecond, 5*time.Second))
	defer cancel()
	type before struct {
		resets  int
		flushed position
	}
	var was [cursors]before
	for i := range was {
		was[i].resets, was[i].flushed = b.c.record.cursor(cursorName(i)).before()
	}
	l, err := b.manager.Open(ctx, topic, b.c.plan.Config, true)
	if err != nil {
		if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			b.c.h.note("%s does not get the topic: %v", b.p.node, err)
		}
		return nil
	}
	t := &tenure{c: b.c, b: b, l: l, name: b.c.nextName(), dice: newDice(b.c.seed, "tenure/"+b.p.node+b.c.nextName()), lost: make(chan struct{})}
	b.c.h.note("%s owns the topic (%s): %d entries up to %v", b.p.node, t.name, l.Info().Entries, l.LastConfirmed())
	b.c.h.count("topics opened", 1)
	l.OnFenced(func(error) { close(t.lost) })
	for i := range was {
		if k := l.Cursor(cursorName(i)); k != nil {
			t.doubts[i] = b.c.record.cursor(cursorName(i)).loaded(b.c.h, t.name, l, k, was[i].resets, was[i].flushed)
		}
	}
	return t
}

// stopTenure has the broker give the topic up, and waits for it.
func (b *broker) stopTenure() {
	b.mu.Lock()
	t := b.tenure
	b.mu.Unlock()
	if t != nil {
		t.stop()
	}
}

// pause stops the broker's actors, or lets them go on.
func (b *broker) pause(yes bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case yes && b.rest == nil:
		b.rest = make(chan struct{})
	case !yes && b.rest != nil:
		close(b.rest)
		b.rest = nil
	}
}

// pauses waits while the broker is paused.
func (b *broker) pauses() {
	b.mu.Lock()
	rest := b.rest
	b.mu.Unlock()
	if rest != nil {
		select {
		case <-rest:
		case <-b.p.ctx.Done():
		}
	}
}

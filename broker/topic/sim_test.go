package topic

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/managed"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/storagetest"
)

var simSeeds = flag.Int("sim.seeds", 60, "how many histories TestSimulation plays")

// sim is one random history of a topic with deduplication, in fake time: producers that lose their connections and send again, brokers
// that crash, unload, lose their session, or sleep while another takes over, bookies that are slow or fail; and at last a judgement.
type sim struct {
	t  *testing.T
	w  *world
	mu sync.Mutex

	rng       *rand.Rand
	owner     *simBroker
	all       []*simBroker
	fail      int              // adds that fail next
	noLedgers bool             // none can be made
	acked     map[string]int64 // messages 0…n-1 of a producer are acknowledged
	wrong     []string
}

// simBroker is one life of a broker.
type simBroker struct {
	*Topics
	manager *managed.Manager
	way     *way
	owns    atomic.Bool
}

// way is a broker's way to bookies and metadata. After the broker died nothing it begins has an effect.
type way struct {
	meta.Store
	ledgers bk.Ledgers
	dead    atomic.Bool
}

func (w *way) Put(ctx context.Context, key string, data []byte, expect meta.Version) (meta.Version, error) {
	if w.dead.Load() {
		return 0, meta.ErrClosed
	}
	return w.Store.Put(ctx, key, data, expect)
}

func (w *way) Create(ctx context.Context, o bk.CreateOptions) (bk.Ledger, error) {
	if w.dead.Load() {
		return nil, bk.ErrClosed
	}
	return w.ledgers.Create(ctx, o)
}

func (w *way) Open(ctx context.Context, id int64, recover bool) (bk.Ledger, error) {
	if w.dead.Load() {
		return nil, bk.ErrClosed
	}
	return w.ledgers.Open(ctx, id, recover)
}

// ledgersOn makes the way's Delete that of ledgers.
type ledgersOn struct{ *way }

func (w ledgersOn) Delete(ctx context.Context, id int64) error {
	if w.dead.Load() {
		return bk.ErrClosed
	}
	return w.ledgers.Delete(ctx, id)
}

func (s *sim) fault(format string, args ...any) {
	s.mu.Lock()
	s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
	s.mu.Unlock()
}

func (s *sim) dice(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rng.IntN(n)
}

func (s *sim) nap(most time.Duration) { time.Sleep(time.Duration(s.dice(int(most)))) }

// broker starts a broker that owns the topic from now on.
func (s *sim) broker() *simBroker {
	b := &simBroker{way: &way{Store: s.w.meta, ledgers: s.w.ledgers}}
	b.owns.Store(true)
	b.manager = managed.New(managed.Options{Ledgers: ledgersOn{b.way}, Meta: b.way, ClockGrace: -1})
	settings := Settings{Dedup: true, DedupEntries: 1 + s.dice(6), Managed: managed.Config{
		RetentionTime: -1, RetentionBytes: -1, MaxEntriesPerLedger: int64(5 + s.dice(40)), AppendTimeout: 2 * time.Second,
	}}
	b.Topics = NewTopics(Options{
		Managed:      b.manager,
		NextProducer: func(context.Context) (int64, error) { return s.w.number.Add(1) - 1, nil },
		Settings:     func(context.Context, Name) (Settings, error) { return settings, nil },
		Own: func(_ context.Context, n Name) error {
			if !b.owns.Load() {
				return refuse(wire.ServiceNotReady, fault.BundleElsewhere, "%s", n)
			}
			return nil
		},
	})
	s.mu.Lock()
	if s.owner != nil {
		s.owner.owns.Store(false)
	}
	s.owner = b
	s.all = append(s.all, b)
	s.mu.Unlock()
	return b
}

func (s *sim) now() *simBroker {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owner
}

// span is a batch: the sequence ids of its first and last message.
type span struct{ first, last int64 }

// simProducer sends messages 0…total-1, in batches, until all are acknowledged.
type simProducer struct {
	s     *sim
	name  string
	total int64
	acked int64
	epoch uint64

	// How it sends again what was not acknowledged: in the same batches, in others (which a topic may refuse; then one by one), or from behind what
	// the topic says it has.
	fixed  []span // by first message
	asks   bool
	single bool
}

func (s *sim) producer(name string, total int64) *simProducer {
	p := &simProducer{s: s, name: name, total: total}
	switch s.dice(3) {
	case 0:
		for at := int64(0); at < total; {
			last := min(total, at+1+int64(s.dice(4))) - 1
			for range last - at + 1 {
				p.fixed = append(p.fixed, span{at, last})
			}
			at = last + 1
		}
	case 1:
		p.asks = true
	}
	return p
}

// batch is the next batch, from message first on.
func (p *simProducer) batch(first int64) span {
	switch {
	case p.fixed != nil:
		return p.fixed[first]
	case p.single:
		return span{first, first}
	}
	return span{first, min(p.total, first+1+int64(p.s.dice(4))) - 1}
}

func (p *simProducer) run(ctx context.Context) {
	for ; p.acked < p.total && ctx.Err() == nil; p.epoch++ {
		b := p.s.now()
		t, err := b.Get(ctx, mustName("t"), true)
		if err != nil {
			p.s.nap(20 * time.Millisecond)
			continue
		}
		c := newConn(p.s.t)
		prod, a, err := t.AddProducer(ctx, ProducerOptions{Name: p.name, Epoch: p.epoch, Receipts: c})
		if err != nil {
			p.s.nap(20 * time.Millisecond)
			continue
		}
		if p.asks && a.LastSequence >= p.acked {
			p.acknowledged(a.LastSequence)
		}
		p.connected(ctx, c, prod)
		_ = prod.Close()
	}
}

func (p *simProducer) acknowledged(last int64) {
	p.acked = last + 1
	p.s.mu.Lock()
	p.s.acked[p.name] = p.acked
	p.s.mu.Unlock()
}

// connected sends and takes receipts until the connection is over.
func (p *simProducer) connected(ctx context.Context, c *conn, prod *Producer) {
	next := p.acked
	var flying []span
	for p.acked < p.total && ctx.Err() == nil {
		var list []*Publish
		for next < p.total && len(flying) < 5 && p.s.dice(4) > 0 {
			sp := p.batch(next)
			n := int32(sp.last - sp.first + 1)
			m := wire.Metadata{Messages: n, Batch: n > 1}
			if n > 1 {
				m.Highest = uint64(sp.last)
			}
			list = append(list, publish(prod, uint64(sp.first), m))
			flying = append(flying, sp)
			next = sp.last + 1
		}
		if len(list) > 0 {
			prod.Topic().Publish(list)
		}
		if p.s.dice(25) == 0 {
			return // the connection breaks
		}
		p.s.nap(3 * time.Millisecond)
		c.mu.Lock()
		done, gone := c.done, len(c.gone) > 0
		c.done = nil
		c.mu.Unlock()
		for _, d := range done {
			if int64(d.SequenceID) != flying[0].first {
				p.s.fault("%s: message %d is answered, the oldest on its way is %d", p.name, d.SequenceID, flying[0].first)
				return
			}
			if d.Err != nil {
				var r *Refusal
				p.single = p.single || errors.As(d.Err, &r) && r.Err.Fault == fault.PublishCovered
				return
			}
			p.acknowledged(flying[0].last)
			flying = flying[1:]
		}
		if gone {
			return
		}
	}
}

// chaos lets things go wrong for a while.
func (s *sim) chaos() {
	for range 6 + s.dice(10) {
		s.nap(40 * time.Millisecond)
		old := s.now()
		switch s.dice(8) {
		case 0: // slow bookies, for long enough that positions are written meanwhile
			s.w.ledgers.Hold()
			s.nap(20 * time.Millisecond)
			s.w.ledgers.Step(1 + s.dice(6))
			time.Sleep(2 * time.Second)
			if s.dice(3) > 0 {
				s.crash(old)
			}
			s.w.ledgers.Unhold()
		case 1:
			s.crash(old)
		case 2: // it sleeps, and does not know that another has the topic
			s.broker()
		case 3:
			_ = old.Unload(context.Background(), mustName("t")) // a ledger that fails is another's business
		case 4:
			s.mu.Lock()
			s.fail = 1 + s.rng.IntN(2)
			s.mu.Unlock()
		case 5:
			s.loseSession(old)
		case 6: // the ledger fails, and for longer than publishes wait there is no other
			s.mu.Lock()
			s.fail, s.noLedgers = 1, true
			s.mu.Unlock()
			time.Sleep(5 * time.Second)
			s.mu.Lock()
			s.noLedgers = false
			s.mu.Unlock()
		}
	}
}

func (s *sim) crash(b *simBroker) {
	b.way.dead.Store(true)
	s.broker()
}

// loseSession has nobody own the topic for a while: a broker that learns that it is not its own gives it up.
func (s *sim) loseSession(b *simBroker) {
	b.owns.Store(false)
	b.Disown()
	time.Sleep(time.Second)
	if b.Loaded(mustName("t")) != nil {
		s.fault("a broker whose session ended still serves the topic")
	}
	s.broker()
}

// play runs the history of a seed and returns what went wrong in it.
func play(t *testing.T, seed uint64) (wrong []string) {
	synctest.Test(t, func(t *testing.T) {
		s := &sim{t: t, w: newWorld(t), rng: rand.New(rand.NewPCG(seed, 3)), acked: map[string]int64{}}
		s.w.ledgers.KeepPending = func(_ int64, pending int) int { return s.dice(pending + 1) }
		fails := func(early bool) func(storagetest.MemOp) error {
			return func(op storagetest.MemOp) error {
				s.mu.Lock()
				defer s.mu.Unlock()
				if op.Name == "create" && s.noLedgers {
					return bk.ErrNotEnough
				}
				if op.Name != "add" || s.fail == 0 || s.rng.IntN(2) == 0 == early {
					return nil
				}
				s.fail--
				return bk.ErrTimeout
			}
		}
		s.w.ledgers.Before, s.w.ledgers.After = fails(true), fails(false)
		s.broker()
		ctx, end := context.WithCancel(context.Background())
		var producing sync.WaitGroup
		for i := range 1 + s.dice(3) {
			p := s.producer(fmt.Sprint("p", i), int64(60+s.dice(100)))
			producing.Go(func() { p.run(ctx) })
		}
		s.chaos()
		patience := time.AfterFunc(time.Hour, func() {
			s.fault("the producers do not come to an end")
			end()
		})
		producing.Wait()
		patience.Stop()
		s.judge()
		end()
		s.stop()
		wrong = s.wrong
	})
	return wrong
}

// stop ends every broker; what the dead and the fenced say does not count.
func (s *sim) stop() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, b := range s.all {
		_ = b.Topics.Close()
		_ = b.manager.Close(ctx)
	}
}

// judge reads the topic as the next broker finds it: each producer's messages in order, each once, all that were acknowledged, and indexes without a gap.
func (s *sim) judge() {
	t, err := s.broker().Get(context.Background(), mustName("t"), true)
	if err != nil {
		s.fault("the topic cannot be loaded: %v", err)
		return
	}
	next, index := map[string]int64{}, int64(-1)
	for from := bk.Earliest; ; {
		es, err := t.ledger.Read(context.Background(), from, 100, 1<<20)
		if err != nil {
			s.fault("read: %v", err)
		}
		if err != nil || len(es) == 0 {
			break
		}
		for _, e := range es {
			var m wire.Metadata
			entry, _, _, err := wire.CutBrokerEntry(e.Payload.B)
			if err = errors.Join(err, decode(e.Payload.B, &m)); err != nil {
				s.fault("entry %v: %v", e.Position, err)
			}
			name, first, last := string(m.ProducerName), int64(m.SequenceID), int64(max(m.SequenceID, m.Highest))
			if first != next[name] {
				s.fault("%s: messages %d to %d at %v, expected was %d", name, first, last, e.Position, next[name])
			}
			next[name] = last + 1
			if index += last - first + 1; entry.Index != index {
				s.fault("%s: message %d has index %d, expected was %d", name, last, entry.Index, index)
				index = entry.Index
			}
			from = bk.Position{Ledger: e.Position.Ledger, Entry: e.Position.Entry + 1}
			e.Payload.Release()
		}
	}
	for name, n := range s.acked {
		if next[name] < n {
			s.fault("%s: messages up to %d were acknowledged, the topic has them up to %d", name, n-1, next[name]-1)
		}
	}
}

// TestSimulation plays many histories.
func TestSimulation(t *testing.T) {
	for seed := range uint64(*simSeeds) {
		if wrong := play(t, seed); len(wrong) > 0 {
			t.Fatalf("seed %d: %q", seed, slices.Compact(wrong))
		}
	}
}

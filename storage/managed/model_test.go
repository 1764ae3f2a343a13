package managed

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/memory"
	"github.com/strobemq/strobe/storage/storagetest"
)

// model is what a managed ledger and its cursor must hold, as its user knows it.
type model struct {
	t     *rapid.T
	w     *world
	m     *Manager
	l     *Ledger
	c     *Cursor
	r     sync.Mutex
	fault map[string]int // operations that fail next, and how often
	cfg   Config

	sent   int
	acked  map[bk.Position]string // entries reported as durable
	maybe  map[string]bool        // payloads whose fate is unknown
	done   map[bk.Position]bool   // acknowledged by the subscription
	stored map[bk.Position]bool   // those of them that were flushed
	was    map[bk.Position]bool   // done before a crash; done is nil until the next check

	// The same for parts of entries, each taken for a batch of three: bits of what is not acknowledged, of those that are acknowledged in part.
	left, leftStored, leftWas map[bk.Position]int64
}

// wholeBatch is the bits of a batch of which nothing is acknowledged.
const wholeBatch = 7

func bitsLeft(of map[bk.Position]int64, p bk.Position) int64 {
	if bits, ok := of[p]; ok {
		return bits
	}
	return wholeBatch
}

// flushed notes that what is acknowledged is stored.
func (m *model) flushed() {
	m.stored, m.leftStored = maps.Clone(m.done), maps.Clone(m.left)
}

// forget makes what is acknowledged unknown until the next check.
func (m *model) forget() {
	m.was, m.done, m.leftWas = m.done, nil, m.left
}

// remaining is the bits that the cursor says are not acknowledged of a batch that is not acknowledged as a whole.
func (m *model) remaining(p bk.Position) int64 {
	words := m.c.Remaining(p)
	if len(words) == 0 {
		return wholeBatch
	}
	return words[0]
}

// checkParts compares parts of entries with the cursor's, after a crash as what lies between what was flushed and what was acknowledged.
func (m *model) checkParts(p bk.Position, crashed bool) {
	got := m.remaining(p)
	if !crashed {
		if want := bitsLeft(m.left, p); got != want {
			m.t.Fatalf("of the batch at %v %03b is left, want %03b", p, got, want)
		}
		return
	}
	switch was := bitsLeft(m.leftWas, p); {
	case !m.was[p] && was&^got != 0:
		m.t.Fatalf("of the batch at %v %03b is left, and before the crash it was %03b", p, got, was)
	case got&^bitsLeft(m.leftStored, p) != 0:
		m.t.Fatalf("of the batch at %v %03b is left, flushed was %03b", p, got, bitsLeft(m.leftStored, p))
	}
	m.left[p] = got
}

func (m *model) open() {
	m.m = m.w.manager(Options{CacheBytes: rapid.SampledFrom([]int64{-1, 0}).Draw(m.t, "cache")})
	for try := 0; ; try++ {
		l, err := m.m.Open(context.Background(), topic, m.cfg, true)
		if err == nil {
			m.l = l
			break
		}
		if try > 20 {
			m.t.Fatalf("open: %v", err)
		}
	}
	c, err := m.l.OpenCursor(context.Background(), "sub", CursorOptions{Start: bk.Earliest})
	if err != nil {
		m.t.Fatalf("open cursor: %v", err)
	}
	m.c = c
}

func (m *model) faults(op string) error {
	m.r.Lock()
	defer m.r.Unlock()
	if m.fault[op] > 0 {
		m.fault[op]--
		return bk.ErrTimeout
	}
	return nil
}

// publish sends n entries and waits for them unless crash comes first.
func (m *model) publish(n int, crash bool) {
	p := &modelProducer{ch: make(chan *Op, n)}
	var ops []*Op
	for range n {
		s := fmt.Sprintf("entry %d", m.sent)
		m.sent++
		ops = append(ops, &Op{Add: bk.Add{Head: []byte(s[:3]), Body: bk.Bytes([]byte(s[3:]))}, Done: p, Ctx: s})
		m.maybe[s] = true
	}
	m.l.Append(ops)
	if crash {
		m.crash()
	}
	timeout := time.After(10 * time.Second)
	for range n {
		select {
		case op := <-p.ch:
			if op.Err == nil {
				m.acked[op.Position] = op.Ctx.(string)
				delete(m.maybe, op.Ctx.(string))
			} else if !crash {
				m.t.Fatalf("append: %v", op.Err)
			}
		case <-timeout:
			m.t.Fatal("appends do not complete")
		}
	}
}

type modelProducer struct{ ch chan *Op }

func (p *modelProducer) Appended(done []*Op) {
	for _, op := range done {
		p.ch <- op
	}
}

func (m *model) crash() {
	m.w.last.kill()
	old := m.m
	m.open()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = old.Close(ctx)
	m.forget() // check finds out
}

func (m *model) reopen() {
	switch err := m.m.Close(context.Background()); {
	case err == nil:
		m.flushed()
	case errors.Is(err, bk.ErrTimeout):
		m.forget()
	default:
		m.t.Fatalf("close: %v", err)
	}
	m.open()
}

// some are a few positions of entries that exist.
func (m *model) some() []bk.Position {
	all := slices.SortedFunc(maps.Keys(m.acked), bk.Position.Compare)
	if len(all) == 0 {
		return nil
	}
	var ps []bk.Position
	for range rapid.IntRange(1, 4).Draw(m.t, "acks") {
		ps = append(ps, all[rapid.IntRange(0, len(all)-1).Draw(m.t, "which")])
	}
	return ps
}

func (m *model) check() {
	var at []bk.Position
	seen := map[bk.Position]string{}
	for from := bk.Earliest; ; {
		got, err := m.l.Read(context.Background(), from, 7, 100)
		if err != nil {
			m.t.Fatalf("read: %v", err)
		}
		if len(got) == 0 {
			break
		}
		for _, e := range got {
			at = append(at, e.Position)
			seen[e.Position] = string(e.Payload.B)
			from = bk.Position{Ledger: e.Position.Ledger, Entry: e.Position.Entry + 1}
			e.Payload.Release()
		}
	}
	if !slices.IsSortedFunc(at, bk.Position.Compare) {
		m.t.Fatalf("read out of order: %v", at)
	}
	first, any := m.l.First()
	crashed := m.done == nil
	if crashed { // between what was flushed and what was acknowledged
		m.done, m.left = map[bk.Position]bool{}, map[bk.Position]int64{}
		for p := range m.acked {
			switch acked := m.c.IsAcked(p); {
			case acked && !m.was[p]:
				m.t.Fatalf("%v was never acknowledged by the subscription", p)
			case acked || m.was[p] && (!any || p.Less(first)): // or acknowledged, trimmed, and then not flushed
				m.done[p] = true
			case m.stored[p]:
				m.t.Fatalf("the acknowledgement of %v was flushed and is lost", p)
			}
		}
	}
	twice := map[string]bookkeeping{}
	for p, s := range seen {
		if b, ok := twice[s]; ok {
			m.t.Fatalf("%q is there twice, at %v and %v", s, b, p)
		}
		twice[s] = bookkeeping(p)
		if want, ok := m.acked[p]; ok && want != s {
			m.t.Fatalf("at %v is %q, acknowledged was %q", p, s, want)
		}
		if _, ok := m.acked[p]; !ok { // sent before a crash, durable all the same
			if !m.maybe[s] {
				m.t.Fatalf("at %v is %q, which was acknowledged elsewhere", p, s)
			}
			m.acked[p] = s
			delete(m.maybe, s)
		}
	}
	open := 0
	for p, s := range m.acked {
		gone := !any || p.Less(first)
		if _, ok := seen[p]; !ok && !(gone && m.done[p]) {
			m.t.Fatalf("%q at %v is lost", s, p)
		}
		if !gone && m.c.IsAcked(p) != m.done[p] {
			m.t.Fatalf("%v acknowledged: %v, want %v", p, m.c.IsAcked(p), m.done[p])
		}
		if !m.done[p] {
			open++
			m.checkParts(p, crashed)
		}
	}
	if got := m.c.Backlog(); got != int64(open) {
		m.t.Fatalf("backlog %d, want %d", got, open)
	}
}

type bookkeeping bk.Position

// timeless hides a test's deadline, which cannot be asked for in fake time.
type timeless struct{ rapid.TB }

// Whatever happens in whatever order, what was acknowledged to producers stays where it was said to be, in order and once, and
// what subscriptions acknowledged and flushed stays acknowledged.
func TestModel(t *testing.T) { synctest.Test(t, checkModel) }

func checkModel(t *testing.T) {
	rapid.Check(timeless{t}, func(rt *rapid.T) {
		w := &world{t: t, ledgers: storagetest.NewMemLedgers(t), meta: &faultyMeta{Store: memory.New()}}
		defer w.ledgers.Close()
		m := &model{
			t: rt, w: w, fault: map[string]int{}, acked: map[bk.Position]string{}, maybe: map[string]bool{},
			done: map[bk.Position]bool{}, stored: map[bk.Position]bool{}, left: map[bk.Position]int64{},
			cfg: Config{
				MaxEntriesPerLedger: rapid.Int64Range(1, 8).Draw(rt, "entries"), CursorMaxEntries: 3,
				RetentionBytes: rapid.SampledFrom([]int64{-1, 1}).Draw(rt, "retain"), RetentionTime: -1,
			},
		}
		w.ledgers.Before = func(op storagetest.MemOp) error { return m.faults("before " + op.Name) }
		w.ledgers.After = func(op storagetest.MemOp) error { return m.faults("after " + op.Name) }
		w.ledgers.KeepPending = func(ledger int64, n int) int { return int(ledger) % (n + 1) }
		inMeta := func(when string) func(op, key string) error {
			return func(op, key string) error {
				if m.faults(when+" "+op) != nil {
					return meta.ErrUnknown
				}
				return nil
			}
		}
		w.meta.faults(inMeta("before"), inMeta("after"))
		m.open()
		defer func() { _ = m.m.Close(context.Background()) }()
		rt.Repeat(map[string]func(*rapid.T){
			"publish": func(*rapid.T) { m.publish(rapid.IntRange(1, 5).Draw(rt, "n"), false) },
			"publish and crash": func(*rapid.T) {
				m.publish(rapid.IntRange(1, 5).Draw(rt, "n"), true)
			},
			"ack": func(*rapid.T) {
				var as []Ack
				for _, p := range m.some() {
					as = append(as, Ack{Position: p})
					m.done[p] = true
				}
				m.c.AckIndividual(as)
			},
			"ack a part": func(*rapid.T) {
				for _, p := range m.some() {
					keep := rapid.Int64Range(0, wholeBatch).Draw(rt, "remaining")
					m.c.AckIndividual([]Ack{{Position: p, Remaining: []int64{keep}}})
					if m.done[p] {
						continue
					}
					if m.left[p] = bitsLeft(m.left, p) & keep; m.left[p] == 0 {
						m.done[p] = true
					}
				}
			},
			"ack cumulative": func(*rapid.T) {
				if ps := m.some(); len(ps) > 0 {
					m.c.AckCumulative(ps[0], nil, nil)
					for p := range m.acked {
						if !ps[0].Less(p) {
							m.done[p] = true
						}
					}
				}
			},
			"flush": func(*rapid.T) {
				if err := m.c.Flush(context.Background()); err != nil && !errors.Is(err, bk.ErrTimeout) {
					rt.Fatalf("flush: %v", err)
				} else if err == nil {
					m.flushed()
				}
			},
			"reset": func(*rapid.T) {
				ps := m.some()
				if len(ps) == 0 {
					return
				}
				if err := m.c.Reset(context.Background(), ps[0]); err != nil {
					rt.Fatalf("reset: %v", err)
				}
				first, any := m.l.First()
				for p := range m.acked {
					m.done[p] = p.Less(ps[0]) || !any || p.Less(first)
				}
				maps.DeleteFunc(m.done, func(_ bk.Position, yes bool) bool { return !yes })
				clear(m.left)
				m.flushed()
			},
			"reopen": func(*rapid.T) { m.reopen() },
			"crash":  func(*rapid.T) { m.crash() },
			"trim": func(*rapid.T) {
				if err := m.l.Trim(context.Background()); err != nil {
					rt.Fatalf("trim: %v", err)
				}
			},
			"fence": func(*rapid.T) { // AutoRecovery closes an open ledger
				ids := w.ledgers.IDs()
				if len(ids) > 0 {
					_, _ = w.ledgers.Open(context.Background(), ids[rapid.IntRange(0, len(ids)-1).Draw(rt, "ledger")], true)
				}
			},
			"fault": func(*rapid.T) {
				op := rapid.SampledFrom([]string{
					"before add", "after add", "before create", "after create", "before close", "after close", "before recover",
					"after recover", "before put", "after put", "before delete", "after delete",
				}).Draw(rt, "op")
				m.r.Lock()
				m.fault[op]++
				m.r.Unlock()
			},
			"": func(*rapid.T) {
				m.r.Lock()
				faults := m.fault
				m.fault = map[string]int{}
				m.r.Unlock()
				synctest.Wait()
				m.check()
				m.r.Lock()
				m.fault = faults
				m.r.Unlock()
			},
		})
	})
}

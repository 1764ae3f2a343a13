package managed

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/storagetest"
)

// guillotine ends a process at the n-th of its operations on bookies and metadata, before or after the operation has its effect.
// Nothing that the process does later has an effect.
type guillotine struct {
	mu    sync.Mutex
	left  int
	after bool
	dead  bool
	off   bool // the next process lives
}

func (g *guillotine) step(after bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.off {
		return false
	}
	if after == g.after {
		if g.left--; g.left == 0 {
			g.dead = true
		}
	}
	return g.dead
}

func (g *guillotine) retire() (fell bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.off = true
	return g.dead
}

func (g *guillotine) install(w *world) {
	ledgers := func(after bool) func(storagetest.MemOp) error {
		return func(storagetest.MemOp) error {
			if g.step(after) {
				return bk.ErrClosed
			}
			return nil
		}
	}
	nodes := func(after bool) func(op, key string) error {
		return func(op, key string) error {
			if op == "put" && g.step(after) {
				return meta.ErrClosed
			}
			return nil
		}
	}
	w.ledgers.Before, w.ledgers.After = ledgers(false), ledgers(true)
	w.meta.faults(nodes(false), nodes(true))
}

// A process dies at every single step of a life with rollovers, cursor ledgers, trimming and closing. Whatever it reported is there
// for the next one.
func TestCrashAtEveryStep(t *testing.T) {
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			fell := false
			synctest.Test(t, func(t *testing.T) { fell = crashAt(t, n, after) })
			if t.Failed() {
				t.Fatalf("died at step %d, after its effect: %v", n, after)
			}
			if !fell {
				if n < 50 {
					t.Errorf("only %d steps", n)
				}
				break
			}
		}
	}
}

func crashAt(t *testing.T, n int, after bool) (fell bool) {
	w := newWorld(t)
	g := &guillotine{left: n, after: after}
	g.install(w)
	cfg := Config{MaxEntriesPerLedger: 5, CursorMaxEntries: 3, RetentionBytes: 1}
	m := w.manager(Options{CacheBytes: -1})
	acked := map[string]bk.Position{}
	flushed := bk.Earliest
	live(t.Context(), m, cfg, func(p bk.Position, s string) { acked[s] = p }, func(p bk.Position) { flushed = p })
	fell = g.retire()
	w.last.kill()
	hard, cancel := context.WithCancel(context.Background())
	cancel()
	_ = m.Close(hard)

	next := w.manager(Options{CacheBytes: -1})
	l, err := next.Open(t.Context(), topic, cfg, true)
	if err != nil {
		t.Fatalf("reopen: %v", err)
	}
	c := openCursor(t, l, "sub")
	if c.MarkDelete().Less(flushed) && c.Backlog() > 0 {
		t.Errorf("mark-delete %v, flushed was %v", c.MarkDelete(), flushed)
	}
	ps, payloads := readAll(t, l, bk.Earliest)
	there := map[string]bk.Position{}
	for i, s := range payloads {
		if _, twice := there[s]; twice {
			t.Errorf("%q is there twice", s)
		}
		there[s] = ps[i]
	}
	for s, p := range acked {
		if q, ok := there[s]; ok && q != p {
			t.Errorf("%q is at %v, reported was %v", s, q, p)
		} else if !ok && !trimmed(l, p, flushed) {
			t.Errorf("%q at %v is lost", s, p)
		}
	}
	newProducer(t, l).publish("the next owner")
	closeLedger(t, l)
	_ = next.Close(t.Context())
	return fell
}

// trimmed reports whether p is gone because it was acknowledged: at most two entries are acknowledged behind what was flushed.
func trimmed(l *Ledger, p, flushed bk.Position) bool {
	first, ok := l.First()
	return (!ok || p.Less(first)) && l.EntriesBetween(flushed, p) <= 2
}

// live is the life of a topic: it ends at the first error.
func live(ctx context.Context, m *Manager, cfg Config, published func(bk.Position, string), flushed func(bk.Position)) {
	l, err := m.Open(ctx, topic, cfg, true)
	if err != nil {
		return
	}
	c, err := l.OpenCursor(ctx, "sub", CursorOptions{Start: bk.Earliest})
	if err != nil {
		return
	}
	p := &modelProducer{ch: make(chan *Op, 3)}
	for i := range 14 {
		var ops []*Op
		for k := range 2 {
			s := fmt.Sprintf("entry %d", i*2+k)
			ops = append(ops, &Op{Add: bk.Add{Head: []byte(s[:3]), Body: bk.Bytes([]byte(s[3:]))}, Done: p, Ctx: s})
		}
		l.Append(ops)
		var last bk.Position
		for range ops {
			op := <-p.ch
			if op.Err != nil {
				return
			}
			last = op.Position
			published(op.Position, op.Ctx.(string))
		}
		c.AckCumulative(l.Previous(last), nil, nil)
		if c.Flush(ctx) != nil {
			return
		}
		flushed(c.MarkDelete())
	}
	_ = l.Close(ctx)
}

package managed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/memory"
	"github.com/strobemq/strobe/storage/storagetest"
)

const topic = "public/default/persistent/t"

// world is the bookies and the metadata that managers come and go on.
type world struct {
	t       *testing.T
	ledgers *storagetest.MemLedgers
	meta    *faultyMeta
	last    *process // of the last manager
}

// process is the way of one manager to bookies and metadata. After kill nothing it begins has an effect.
type process struct {
	meta.Store
	ledgers bk.Ledgers
	dead    atomic.Bool
}

func (p *process) kill() { p.dead.Store(true) }

func (p *process) Get(ctx context.Context, key string) (meta.Value, error) {
	if p.dead.Load() {
		return meta.Value{}, meta.ErrClosed
	}
	return p.Store.Get(ctx, key)
}

func (p *process) Put(ctx context.Context, key string, data []byte, expect meta.Version) (meta.Version, error) {
	if p.dead.Load() {
		return 0, meta.ErrClosed
	}
	return p.Store.Put(ctx, key, data, expect)
}

func (p *process) Create(ctx context.Context, o bk.CreateOptions) (bk.Ledger, error) {
	if p.dead.Load() {
		return nil, bk.ErrClosed
	}
	return p.ledgers.Create(ctx, o)
}

func (p *process) Open(ctx context.Context, id int64, recover bool) (bk.Ledger, error) {
	if p.dead.Load() {
		return nil, bk.ErrClosed
	}
	return p.ledgers.Open(ctx, id, recover)
}

// ledgersOf makes the process's Delete that of ledgers.
type ledgersOf struct{ *process }

func (p ledgersOf) Delete(ctx context.Context, id int64) error {
	if p.dead.Load() {
		return bk.ErrClosed
	}
	return p.ledgers.Delete(ctx, id)
}

func newWorld(t *testing.T) *world {
	bk.PoisonSlabs(true)
	return &world{t: t, ledgers: storagetest.NewMemLedgers(t), meta: &faultyMeta{Store: memory.New()}}
}

// manager is a new process. It flushes cursors only when told, unless o says otherwise.
func (w *world) manager(o Options) *Manager {
	w.last = &process{Store: w.meta, ledgers: w.ledgers}
	o.Ledgers, o.Meta = ledgersOf{w.last}, w.last
	if o.FlushInterval == 0 {
		o.FlushInterval = time.Hour
	}
	if o.ClockGrace == 0 {
		o.ClockGrace = -1
	}
	m := New(o)
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = m.Close(ctx)
	})
	return m
}

// open opens the topic; unless cfg says how long, everything is retained.
func (w *world) open(m *Manager, cfg Config) *Ledger {
	w.t.Helper()
	if cfg.RetentionTime == 0 && cfg.RetentionBytes == 0 {
		cfg.RetentionTime, cfg.RetentionBytes = -1, -1
	}
	l, err := m.Open(w.t.Context(), topic, cfg, true)
	if err != nil {
		w.t.Fatalf("open: %v", err)
	}
	return l
}

// faultyMeta is a metadata store with faults: before asks before a change is made, after when it is made.
type faultyMeta struct {
	meta.Store
	mu     sync.Mutex
	before func(op, key string) error
	after  func(op, key string) error
	puts   int
}

func (f *faultyMeta) faults(before, after func(op, key string) error) {
	f.mu.Lock()
	f.before, f.after = before, after
	f.mu.Unlock()
}

// silent has every write done and not answered, and nothing read, until the next faults.
func (f *faultyMeta) silent() {
	f.faults(func(op, key string) error {
		if op == "get" {
			return meta.ErrUnknown
		}
		return nil
	}, func(op, key string) error { return meta.ErrUnknown })
}

func (f *faultyMeta) ask(which func(op, key string) error, op, key string) error {
	if which == nil {
		return nil
	}
	return which(op, key)
}

func (f *faultyMeta) hooks() (before, after func(op, key string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.before, f.after
}

func (f *faultyMeta) Get(ctx context.Context, key string) (meta.Value, error) {
	before, _ := f.hooks()
	if err := f.ask(before, "get", key); err != nil {
		return meta.Value{}, err
	}
	return f.Store.Get(ctx, key)
}

func (f *faultyMeta) Put(ctx context.Context, key string, data []byte, expect meta.Version) (meta.Version, error) {
	before, after := f.hooks()
	f.mu.Lock()
	f.puts++
	f.mu.Unlock()
	if err := f.ask(before, "put", key); err != nil {
		return 0, err
	}
	v, err := f.Store.Put(ctx, key, data, expect)
	if err == nil {
		err = f.ask(after, "put", key)
	}
	return v, err
}

func (f *faultyMeta) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.puts
}

// producer appends entries and collects what becomes of them.
type producer struct {
	t *testing.T
	l *Ledger

	mu   sync.Mutex
	cond *sync.Cond
	sent []*Op
	done []*Op
}

func newProducer(t *testing.T, l *Ledger) *producer {
	p := &producer{t: t, l: l}
	p.cond = sync.NewCond(&p.mu)
	return p
}

// send appends payloads as one list; the first half of each goes as head.
func (p *producer) send(payloads ...string) {
	var ops []*Op
	p.mu.Lock()
	for _, s := range payloads {
		slab := bk.NewSlab(len(s))
		h := len(s) / 2
		n := copy(slab.Bytes(), s[h:])
		ops = append(ops, &Op{Add: bk.Add{Head: []byte(s[:h]), Body: slab.Buf(0, n)}, Done: p, Ctx: s})
		slab.Release()
	}
	p.sent = append(p.sent, ops...)
	p.mu.Unlock()
	p.l.Append(ops)
}

func (p *producer) Appended(done []*Op) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, op := range done {
		if n := len(p.done); n >= len(p.sent) || p.sent[n] != op {
			p.t.Errorf("op %v completed out of order or twice", op.Ctx)
		}
		op.Add.Body.Release()
		p.done = append(p.done, op)
	}
	p.cond.Broadcast()
}

// wait waits until everything sent is completed.
func (p *producer) wait() []*Op {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	stop := time.AfterFunc(10*time.Second, func() {
		p.t.Error("appends do not complete")
		p.mu.Lock()
		p.sent = p.sent[:len(p.done)]
		p.mu.Unlock()
		p.cond.Broadcast()
	})
	defer stop.Stop()
	for len(p.done) < len(p.sent) {
		p.cond.Wait()
	}
	return p.done
}

// publish sends payloads and expects them acknowledged.
func (p *producer) publish(payloads ...string) []bk.Position {
	p.t.Helper()
	p.send(payloads...)
	var ps []bk.Position
	done := p.wait()
	for _, op := range done[len(done)-len(payloads):] {
		if op.Err != nil {
			p.t.Fatalf("append %v: %v", op.Ctx, op.Err)
		}
		ps = append(ps, op.Position)
	}
	return ps
}

func numbered(from, to int) []string {
	var s []string
	for i := from; i < to; i++ {
		s = append(s, fmt.Sprintf("entry %d", i))
	}
	return s
}

// readAll reads everything from a position on.
func readAll(t *testing.T, l *Ledger, from bk.Position) (ps []bk.Position, payloads []string) {
	t.Helper()
	for {
		got, err := l.Read(t.Context(), from, 100, 1<<20)
		if err != nil {
			t.Fatalf("read from %v: %v", from, err)
		}
		if len(got) == 0 {
			return ps, payloads
		}
		for _, e := range got {
			if e.Position.Less(from) {
				t.Fatalf("read %v before %v", e.Position, from)
			}
			ps = append(ps, e.Position)
			payloads = append(payloads, string(e.Payload.B))
			from = bk.Position{Ledger: e.Position.Ledger, Entry: e.Position.Entry + 1}
			e.Payload.Release()
		}
	}
}

func wantPayloads(t *testing.T, l *Ledger, want []string) []bk.Position {
	t.Helper()
	ps, got := readAll(t, l, bk.Earliest)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("%d entries %q, want %d %q", len(got), got, len(want), want)
	}
	return ps
}

func closeLedger(t *testing.T, l *Ledger) {
	t.Helper()
	if err := l.Close(t.Context()); err != nil {
		t.Fatalf("close: %v", err)
	}
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

var errBoom = errors.New("boom")

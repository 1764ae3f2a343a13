package managed

import (
	"errors"
	"testing"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/storagetest"
)

func TestAppendReadReopen(t *testing.T) {
	w := newWorld(t)
	m := w.manager(Options{})
	l := w.open(m, Config{})
	if got := l.LastConfirmed(); got != bk.Earliest {
		t.Errorf("an empty managed ledger ends at %v", got)
	}
	p := newProducer(t, l)
	p.publish(numbered(0, 10)...)
	wantPayloads(t, l, numbered(0, 10))
	if got := w.meta.count(); got != 2 { // creation, and the first ledger
		t.Errorf("%d metadata writes for a new topic and its first publish, want 2", got)
	}
	closeLedger(t, l)
	if !w.ledgers.IsClosed(0) {
		t.Error("the ledger is not closed")
	}

	puts := w.meta.count()
	l = w.open(m, Config{})
	wantPayloads(t, l, numbered(0, 10))
	if got := l.LastConfirmed(); got != (bk.Position{Ledger: 0, Entry: 9}) {
		t.Errorf("last confirmed %v", got)
	}
	if got := w.meta.count() - puts; got != 0 {
		t.Errorf("%d metadata writes to open what was closed, want 0", got)
	}
	if n := len(w.ledgers.IDs()); n != 1 {
		t.Errorf("%d ledgers, want no new one before it is written to", n)
	}
	newProducer(t, l).publish(numbered(10, 12)...)
	wantPayloads(t, l, numbered(0, 12))
}

// A process dies with entries in flight: the next one recovers those that reached bookies and the acknowledged ones in any case.
func TestCrash(t *testing.T) {
	for keep := range 4 {
		w := newWorld(t)
		l := w.open(w.manager(Options{}), Config{})
		p := newProducer(t, l)
		p.publish(numbered(0, 5)...)
		w.ledgers.Hold()
		p.send(numbered(5, 8)...)
		w.ledgers.KeepPending = func(int64, int) int { return keep }
		w.last.kill()
		next := w.open(w.manager(Options{}), Config{})
		wantPayloads(t, next, numbered(0, 5+keep))
		w.ledgers.Unhold()
		newProducer(t, next).publish("after")
		wantPayloads(t, next, append(numbered(0, 5+keep), "after"))
	}
}

// The old owner is fenced while it has entries in flight, and loses the list: everything it was not told of fails.
func TestFencingRace(t *testing.T) {
	w := newWorld(t)
	old := w.open(w.manager(Options{}), Config{})
	fenced := make(chan error, 1)
	old.OnFenced(func(err error) { fenced <- err })
	p := newProducer(t, old)
	p.publish(numbered(0, 3)...)
	w.ledgers.Hold()
	p.send(numbered(3, 6)...)
	w.ledgers.KeepPending = func(int64, int) int { return 2 }
	next := w.open(w.manager(Options{}), Config{})
	w.ledgers.Unhold()
	done := p.wait()
	// What the recovery made durable may be acknowledged, the rest must not be.
	for i, op := range done[:5] {
		if op.Err != nil || op.Position != (bk.Position{Ledger: 0, Entry: int64(i)}) {
			t.Errorf("entry %d: %v at %v", i, op.Err, op.Position)
		}
	}
	// The old owner may get its next ledger into the list first; the new one opens again then, and recovers that too.
	stored := 5
	if err := done[5].Err; err == nil {
		stored = 6
	} else if !errors.Is(err, ErrFenced) {
		t.Errorf("the lost entry: %v, want ErrFenced", err)
	}
	p.send("too late")
	if err := p.wait()[6].Err; !errors.Is(err, ErrFenced) {
		t.Errorf("after fencing: %v", err)
	}
	if err := <-fenced; !errors.Is(err, ErrFenced) {
		t.Errorf("told %v", err)
	}
	newProducer(t, next).publish("new owner")
	wantPayloads(t, next, append(numbered(0, stored), "new owner"))
	puts := w.meta.count()
	if err := old.Close(t.Context()); err != nil {
		t.Errorf("close of the fenced: %v", err)
	}
	if w.meta.count() != puts {
		t.Error("a fenced owner writes metadata")
	}
}

func TestRollover(t *testing.T) {
	w := newWorld(t)
	m := w.manager(Options{})
	cfg := Config{MaxEntriesPerLedger: 10}
	l := w.open(m, cfg)
	p := newProducer(t, l)
	for i := range 50 {
		p.send(numbered(i*2, i*2+2)...)
	}
	for _, op := range p.wait() {
		if op.Err != nil {
			t.Fatalf("append: %v", op.Err)
		}
	}
	wantPayloads(t, l, numbered(0, 100))
	info := l.Info()
	if len(info.Ledgers) < 4 || info.Entries != 100 {
		t.Errorf("%d ledgers with %d entries", len(info.Ledgers), info.Entries)
	}
	closeLedger(t, l)
	wantPayloads(t, w.open(m, cfg), numbered(0, 100))
	// The spare ledger that was made ahead is not left behind.
	for _, id := range w.ledgers.IDs() {
		if !w.ledgers.IsClosed(id) {
			t.Errorf("ledger %d was left open", id)
		}
	}
}

// Every operation on the way fails once, before and after its effect; nothing may be lost, doubled or reordered.
func TestAppendFaultsAtEveryStep(t *testing.T) {
	type step struct{ name, what string }
	steps := []step{
		{"create", "ledger"}, {"add", "ledger"}, {"recover", "ledger"}, {"close", "ledger"}, {"put", "meta"},
	}
	for _, s := range steps {
		for _, late := range []bool{false, true} {
			for nth := range 4 {
				w := newWorld(t)
				l := w.open(w.manager(Options{}), Config{MaxEntriesPerLedger: 7})
				seen, broke, healthy := 0, 0, false
				fails := func(op string) bool {
					if healthy {
						return false
					}
					if op == "add" && s.name == "recover" && broke == 0 { // a recovery needs a reason
						broke++
						return true
					}
					if op != s.name {
						return false
					}
					seen++
					return seen-1 == nth
				}
				inLedgers := func(op storagetest.MemOp) error {
					w.meta.mu.Lock()
					defer w.meta.mu.Unlock()
					if s.what == "ledger" && fails(op.Name) {
						return bk.ErrTimeout
					}
					return nil
				}
				inMeta := func(op, key string) error {
					w.meta.mu.Lock()
					defer w.meta.mu.Unlock()
					if s.what == "meta" && fails(op) {
						return meta.ErrUnknown
					}
					return nil
				}
				if late {
					w.ledgers.After = inLedgers
					w.meta.faults(nil, inMeta)
				} else {
					w.ledgers.Before = inLedgers
					w.meta.faults(inMeta, nil)
				}
				p := newProducer(t, l)
				for i := range 10 {
					p.send(numbered(i*3, i*3+3)...)
				}
				var acked []bk.Position
				for _, op := range p.wait() {
					if op.Err != nil {
						t.Errorf("%v late=%v nth=%d: append %v: %v", s, late, nth, op.Ctx, op.Err)
					}
					acked = append(acked, op.Position)
				}
				at := wantPayloads(t, l, numbered(0, 30))
				for i := range at {
					if at[i] != acked[i] {
						t.Fatalf("%v late=%v nth=%d: entry %d acknowledged at %v, is at %v", s, late, nth, i, acked[i], at[i])
					}
				}
				w.meta.mu.Lock()
				healthy = true
				w.meta.mu.Unlock()
				next := w.open(w.manager(Options{}), Config{})
				wantPayloads(t, next, numbered(0, 30))
			}
		}
	}
}

package managed

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/meta"
)

// spread publishes n entries over ledgers of four.
func spread(t *testing.T, l *Ledger, n int) []bk.Position {
	t.Helper()
	p := newProducer(t, l)
	var at []bk.Position
	for i := range n {
		at = append(at, p.publish(numbered(i, i+1)...)...)
	}
	return at
}

// keepNothing is the namespace default: what is consumed goes.
var keepNothing = Config{MaxEntriesPerLedger: 4, RetentionBytes: 1}

func TestTrimConsumed(t *testing.T) {
	w := newWorld(t)
	l := w.open(w.manager(Options{}), keepNothing)
	slow, fast := openCursor(t, l, "slow"), openCursor(t, l, "fast")
	at := spread(t, l, 18)
	has := func(p bk.Position) bool {
		q, ok := l.AtOrAfter(p)
		return ok && q == p
	}
	fast.AckCumulative(at[17], nil, nil)
	slow.AckCumulative(at[6], nil, nil)
	until(t, "the first ledger goes", func() bool { return !has(at[3]) })
	if !has(at[4]) {
		t.Fatal("what the slow cursor has not consumed is gone")
	}
	slow.AckCumulative(at[7], nil, nil) // the last entry of its ledger
	until(t, "the second ledger goes", func() bool { return !has(at[7]) })
	if err := l.DeleteCursor(t.Context(), "slow"); err != nil {
		t.Fatal(err)
	}
	until(t, "all closed ledgers go", func() bool { return !has(at[15]) })
	if !has(at[16]) {
		t.Error("the open ledger was trimmed")
	}
	if fast.Backlog() != 0 || l.LastConfirmed() != at[17] {
		t.Errorf("backlog %d, last confirmed %v", fast.Backlog(), l.LastConfirmed())
	}
	until(t, "the ledgers are deleted", func() bool { return len(w.ledgers.IDs()) == 1 })
}

// A crash between the list and the deletion leaves ledgers that nobody knows, never a list with ledgers that are gone.
func TestTrimCrash(t *testing.T) {
	w := newWorld(t)
	l := w.open(w.manager(Options{}), Config{MaxEntriesPerLedger: 4})
	c := openCursor(t, l, "sub")
	at := spread(t, l, 18)
	proc := w.last
	w.meta.faults(nil, func(op, key string) error {
		if key == "/managed-ledgers/"+topic {
			proc.kill()
		}
		return nil
	})
	c.AckCumulative(at[9], nil, nil)
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.SetConfig(Config{MaxEntriesPerLedger: 4, RetentionBytes: 1})
	until(t, "the list is shortened", proc.dead.Load)
	w.meta.faults(nil, nil)
	next := w.open(w.manager(Options{}), Config{})
	wantPayloads(t, next, numbered(8, 18))
	if got := next.Cursor("sub").Backlog(); got != 8 {
		t.Errorf("backlog %d, want 8", got)
	}
}

// Readers without a durable cursor hold what they have not read, for as long as they are there.
func TestTrimNonDurable(t *testing.T) {
	w := newWorld(t)
	l := w.open(w.manager(Options{}), keepNothing)
	r := l.NonDurable("reader", bk.Earliest)
	at := spread(t, l, 9)
	if err := l.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantPayloads(t, l, numbered(0, 9))
	r.AckCumulative(at[4], nil, nil)
	if err := l.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantPayloads(t, l, numbered(4, 9))
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantPayloads(t, l, numbered(8, 9))
}

// A read that runs ends well although its ledger was trimmed meanwhile.
func TestTrimUnderRead(t *testing.T) {
	w := newWorld(t)
	l := w.open(w.manager(Options{CacheBytes: -1}), keepNothing)
	c := openCursor(t, l, "sub")
	at := spread(t, l, 9)
	r, err := l.acquire(t.Context(), at[0].Ledger)
	if err != nil {
		t.Fatal(err)
	}
	c.AckCumulative(at[8], nil, nil)
	if err := l.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := r.ledger.Read(t.Context(), 0, 3, 1<<20)
	if err != nil || len(got) != 4 {
		t.Fatalf("%d entries, %v", len(got), err)
	}
	for _, e := range got {
		e.Payload.Release()
	}
	l.release(r)
	until(t, "the ledger is deleted after the read", func() bool { return len(w.ledgers.IDs()) == 1 })
	// A position in a ledger that is gone moves forward.
	if es, err := l.Read(t.Context(), at[0], 1, 1); err != nil || len(es) != 1 || es[0].Position != at[8] {
		t.Errorf("read from a trimmed position: %v %v", es, err)
	} else {
		es[0].Payload.Release()
	}
}

// A ledger that is in the list but does not exist costs its entries, not the subscription.
func TestLedgerLost(t *testing.T) {
	w := newWorld(t)
	m := w.manager(Options{CacheBytes: -1})
	l := w.open(m, Config{MaxEntriesPerLedger: 4})
	openCursor(t, l, "sub")
	at := spread(t, l, 12)
	closeLedger(t, l)
	if err := w.ledgers.Delete(t.Context(), at[4].Ledger); err != nil {
		t.Fatal(err)
	}
	l = w.open(m, Config{})
	wantPayloads(t, l, append(numbered(0, 4), numbered(8, 12)...))
	c := l.Cursor("sub")
	c.AckIndividual(acks(at[0], at[1], at[2], at[3], at[8]))
	if c.MarkDelete() != at[8] || c.Backlog() != 3 {
		t.Errorf("mark-delete %v, backlog %d", c.MarkDelete(), c.Backlog())
	}
}

func TestRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.manager(Options{ClockGrace: time.Minute})
		l := w.open(m, Config{MaxEntriesPerLedger: 4, RetentionTime: time.Hour, RetentionBytes: -1})
		c := openCursor(t, l, "sub")
		at := spread(t, l, 9)
		c.AckCumulative(at[8], nil, nil)
		time.Sleep(59 * time.Minute)
		wantPayloads(t, l, numbered(0, 9))
		time.Sleep(2 * time.Minute) // by itself
		wantPayloads(t, l, numbered(8, 9))
		_ = m.Close(t.Context())
	})
}

func TestRetentionBytes(t *testing.T) {
	w := newWorld(t)
	l := w.open(w.manager(Options{}), Config{MaxEntriesPerLedger: 4, RetentionTime: -1, RetentionBytes: 71})
	at := spread(t, l, 17)
	if err := l.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	if first, _ := l.First(); first != at[8] { // 126 bytes in ledgers of 28, 28, 30, 32 and 8
		t.Errorf("first %v, want %v", first, at[8])
	}
}

// Clocks that jump must not trim.
func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wall := time.Now
		c := newClock(time.Minute, nil)
		c.wall = func() time.Time { return wall() }
		stamp := time.Now().UnixMilli()
		if yes, in := c.expired(stamp-time.Hour.Milliseconds(), time.Minute); yes || in <= 0 {
			t.Error("trusted at once after the start")
		}
		time.Sleep(2 * time.Minute)
		if yes, _ := c.expired(stamp, time.Minute); !yes {
			t.Error("not expired after two minutes")
		}
		c.wall = func() time.Time { return wall().AddDate(10, 0, 0) }
		if yes, in := c.expired(stamp, time.Hour); yes || in <= 0 {
			t.Error("a clock set forward by ten years expires")
		}
		c.wall = func() time.Time { return wall().AddDate(-10, 0, 0) }
		if yes, _ := c.expired(stamp, time.Minute); yes {
			t.Error("a clock set back by ten years expires")
		}
		if yes, in := c.expired(stamp, -1); yes || in != 0 {
			t.Error("unlimited retention expires")
		}
	})
}

// A ledger that another process closed has the time of that one's clock. Where ours is an hour ahead of it, it is not an hour older.
func TestClockOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ahead := time.Duration(0)
		c := newClock(time.Minute, func() time.Duration { return ahead })
		time.Sleep(2 * time.Minute)
		stamp := time.Now().Add(-time.Hour).UnixMilli() // closed just now, as the other clock has it
		if yes, _ := c.expired(stamp, 30*time.Minute); !yes {
			t.Error("nothing is known of the other clock, and the ledger is not an hour old")
		}
		ahead = time.Hour
		if yes, in := c.expired(stamp, 30*time.Minute); yes || in < 30*time.Minute || in > 31*time.Minute {
			t.Errorf("expired: %t, to be asked again in %v", yes, in)
		}
		time.Sleep(31 * time.Minute)
		if yes, _ := c.expired(stamp, 30*time.Minute); !yes {
			t.Error("kept for ever")
		}
	})
}

func TestRolloverByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.manager(Options{})
		l := w.open(m, Config{MaxRollover: time.Hour, InactiveRollover: 10 * time.Minute})
		var closed atomic.Int64
		l.OnRolled(func(id int64) { closed.Add(1) })
		p := newProducer(t, l)
		for range 8 {
			p.publish("x")
			time.Sleep(9 * time.Minute)
		}
		synctest.Wait()
		if n := closed.Load(); n != 1 {
			t.Errorf("%d ledgers were rolled over by age, want 1", n)
		}
		time.Sleep(11 * time.Minute)
		synctest.Wait()
		if n := closed.Load(); n != 2 || l.Info().State != "ClosedLedger" {
			t.Errorf("%d ledgers closed, state %s, want the inactive one closed", n, l.Info().State)
		}
		puts := w.meta.count()
		time.Sleep(24 * time.Hour)
		if w.meta.count() != puts {
			t.Error("an idle topic writes metadata")
		}
		p.publish("y")
		_ = m.Close(t.Context())
	})
}

// TestTerminateUnknown: when nobody can tell whether the end is written, nothing is acknowledged behind it, and the next load knows.
func TestTerminateUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.manager(Options{})
		l := w.open(m, Config{})
		at := newProducer(t, l).publish(numbered(0, 3)...)
		w.meta.silent()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := l.Terminate(ctx); !errors.Is(err, meta.ErrUnknown) {
			t.Errorf("terminated without an answer: %v", err)
		}
		w.meta.faults(nil, nil)
		p := newProducer(t, l)
		p.send("late")
		if err := p.wait()[0].Err; !errors.Is(err, ErrFenced) {
			t.Errorf("append: %v", err)
		}
		if last, ok := w.open(w.manager(Options{}), Config{}).Terminated(); !ok || last != at[2] {
			t.Errorf("loaded again: terminated %v at %v, want %v", ok, last, at[2])
		}
		_ = m.Close(t.Context())
	})
}

func TestTerminate(t *testing.T) {
	w := newWorld(t)
	m := w.manager(Options{})
	l := w.open(m, Config{})
	p := newProducer(t, l)
	p.send(numbered(0, 5)...)
	last, err := l.Terminate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done := p.wait()
	acked := 0
	for _, op := range done {
		if op.Err == nil {
			acked++
		} else if !errors.Is(op.Err, ErrTerminated) {
			t.Errorf("append: %v", op.Err)
		}
	}
	if acked > 0 && last != done[acked-1].Position {
		t.Errorf("terminated at %v, want %v", last, done[acked-1].Position)
	}
	if again, err := l.Terminate(t.Context()); err != nil || again != last {
		t.Errorf("again %v %v", again, err)
	}
	closeLedger(t, l)
	l = w.open(m, Config{})
	if at, ok := l.Terminated(); !ok || at != last {
		t.Errorf("reopened: terminated %v %v", at, ok)
	}
	p = newProducer(t, l)
	p.send("late")
	if err := p.wait()[0].Err; !errors.Is(err, ErrTerminated) {
		t.Errorf("append to a terminated one: %v", err)
	}
	c := openCursor(t, l, "sub")
	if got := c.Backlog(); got != int64(acked) {
		t.Errorf("backlog %d, want %d", got, acked)
	}
}

func TestManagerNames(t *testing.T) {
	w := newWorld(t)
	m := w.manager(Options{})
	ctx := t.Context()
	if _, err := m.Open(ctx, topic, Config{}, false); !errors.Is(err, ErrNotFound) {
		t.Errorf("open of nothing: %v", err)
	}
	l := w.open(m, Config{})
	if _, err := m.Open(ctx, topic, Config{}, true); !errors.Is(err, ErrOpen) {
		t.Errorf("opened twice: %v", err)
	}
	if ok, err := m.Exists(ctx, topic); err != nil || !ok {
		t.Errorf("exists: %v %v", ok, err)
	}
	if names, err := m.List(ctx, "public/default/persistent"); err != nil || len(names) != 1 || names[0] != "t" {
		t.Errorf("list: %v %v", names, err)
	}
	openCursor(t, l, "sub")
	newProducer(t, l).publish("x")
	if err := m.Delete(ctx, topic); !errors.Is(err, ErrOpen) {
		t.Errorf("deleted while open: %v", err)
	}
	closeLedger(t, l)
	if err := m.Delete(ctx, topic); err != nil {
		t.Fatal(err)
	}
	if err := m.Delete(ctx, topic); !errors.Is(err, ErrNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
	if ok, _ := m.Exists(ctx, topic); ok || len(w.ledgers.IDs()) != 0 {
		t.Error("something is left")
	}
	for _, bad := range []string{"", "/a", "a/", "a//b"} {
		if _, err := m.Open(ctx, bad, Config{}, true); !errors.Is(err, ErrName) {
			t.Errorf("name %q: %v", bad, err)
		}
	}
}

func TestFindNewest(t *testing.T) {
	w := newWorld(t)
	l := w.open(w.manager(Options{}), Config{MaxEntriesPerLedger: 3})
	at := spread(t, l, 20)
	for n := -1; n < 20; n++ {
		p, ok, err := l.FindNewest(t.Context(), bk.Earliest, func(b []byte) bool {
			for i := range n + 1 {
				if string(b) == numbered(i, i+1)[0] {
					return true
				}
			}
			return false
		})
		if err != nil || ok != (n >= 0) || ok && p != at[n] {
			t.Errorf("newest of the first %d: %v %v %v", n+1, p, ok, err)
		}
	}
	if _, ok, _ := l.FindNewest(t.Context(), at[10], func(b []byte) bool { return string(b) < "entry 1" }); ok {
		t.Error("found one before the start")
	}
}

func TestPositions(t *testing.T) {
	w := newWorld(t)
	l := w.open(w.manager(Options{}), Config{MaxEntriesPerLedger: 3})
	if got := l.Previous(bk.Latest); got != bk.Earliest {
		t.Errorf("previous in an empty one: %v", got)
	}
	at := spread(t, l, 8)
	for i := range at {
		if i > 0 && (l.Next(at[i-1]) != at[i] || l.Previous(at[i]) != at[i-1]) {
			t.Errorf("neighbours of %v: %v %v", at[i], l.Next(at[i-1]), l.Previous(at[i]))
		}
		if got := l.EntriesBetween(at[i], l.LastConfirmed()); got != int64(7-i) {
			t.Errorf("%d entries behind %v", got, at[i])
		}
	}
	before := bk.Position{Ledger: at[0].Ledger, Entry: -1}
	if l.Previous(at[0]) != before || l.Next(before) != at[0] || l.Next(at[7]) != (bk.Position{Ledger: at[7].Ledger, Entry: at[7].Entry + 1}) {
		t.Error("ends are wrong")
	}
	if l.EntriesBetween(bk.Earliest, bk.Latest) != 8 || l.EntriesBetween(at[5], at[2]) != 0 {
		t.Error("distances are wrong")
	}
	if n := l.BytesBetween(at[1], at[4]); n != 3*int64(len("entry 0")) {
		t.Errorf("%d bytes between", n)
	}
}

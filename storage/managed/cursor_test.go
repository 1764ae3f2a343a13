package managed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
)

func openCursor(t *testing.T, l *Ledger, name string) *Cursor {
	t.Helper()
	c, err := l.OpenCursor(t.Context(), name, CursorOptions{Start: bk.Earliest})
	if err != nil {
		t.Fatalf("open cursor: %v", err)
	}
	return c
}

func acks(ps ...bk.Position) []Ack {
	var as []Ack
	for _, p := range ps {
		as = append(as, Ack{Position: p})
	}
	return as
}

func ranges(c *Cursor) string {
	var s []string
	c.AckedRanges(func(ledger, first, last int64) bool {
		s = append(s, fmt.Sprintf("%d:%d-%d", ledger, first, last))
		return true
	})
	return fmt.Sprint(s)
}

func TestCursorAcks(t *testing.T) {
	w := newWorld(t)
	l := w.open(w.manager(Options{}), Config{MaxEntriesPerLedger: 4})
	c := openCursor(t, l, "sub")
	p := newProducer(t, l)
	var at []bk.Position
	for i := range 10 { // ledgers of 4, 4 and 2
		at = append(at, p.publish(numbered(i, i+1)...)...)
	}
	var moved []bk.Position
	c.OnMoved(func(p bk.Position) { moved = append(moved, p) })

	as := acks(at[1], at[2], at[5], at[5], bk.Position{Ledger: 99}, bk.Position{Ledger: at[0].Ledger, Entry: 77})
	if c.AckIndividual(as) {
		t.Error("the mark-delete moved over an open entry")
	}
	var done []bool
	for _, a := range as {
		done = append(done, a.Done)
	}
	if want := []bool{true, true, true, false, false, false}; !slices.Equal(done, want) {
		t.Errorf("done %v, want %v", done, want)
	}
	if got := c.Backlog(); got != 7 {
		t.Errorf("backlog %d, want 7", got)
	}
	if c.NextUnacked(at[0]) != at[0] || c.NextUnacked(at[1]) != at[3] || c.NextUnacked(at[5]) != at[6] {
		t.Error("next unacknowledged is wrong")
	}
	if !c.AckIndividual(acks(at[0])) || c.MarkDelete() != at[2] {
		t.Errorf("mark-delete %v, want %v", c.MarkDelete(), at[2])
	}
	if !c.AckIndividual(acks(at[3], at[4])) || c.MarkDelete() != at[5] {
		t.Errorf("mark-delete %v, want %v over the end of a ledger", c.MarkDelete(), at[5])
	}
	if c.AckCumulative(at[2], nil, nil) {
		t.Error("went back")
	}
	if !c.AckCumulative(bk.Latest, nil, nil) || c.MarkDelete() != at[9] || c.Backlog() != 0 {
		t.Errorf("mark-delete %v with backlog %d", c.MarkDelete(), c.Backlog())
	}
	if !slices.Equal(moved, []bk.Position{at[2], at[5], at[9]}) {
		t.Errorf("moves %v", moved)
	}
	if err := c.Reset(t.Context(), at[4]); err != nil || c.MarkDelete() != at[3] || c.Backlog() != 6 {
		t.Errorf("reset: %v, mark-delete %v, backlog %d", err, c.MarkDelete(), c.Backlog())
	}
	c.Skip(2)
	if c.MarkDelete() != at[5] {
		t.Errorf("after skipping mark-delete %v", c.MarkDelete())
	}
}

func TestCursorBatches(t *testing.T) {
	w := newWorld(t)
	m := w.manager(Options{})
	l := w.open(m, Config{})
	c := openCursor(t, l, "sub")
	at := newProducer(t, l).publish(numbered(0, 4)...)
	as := []Ack{{Position: at[1], Remaining: []int64{0b1110}}}
	if c.AckIndividual(as); as[0].Done {
		t.Error("a batch is done with three of four left")
	}
	c.AckIndividual([]Ack{{Position: at[1], Remaining: []int64{0b1101}}})
	if got := c.Remaining(at[1]); !slices.Equal(got, []int64{0b1100}) {
		t.Errorf("remaining %b", got)
	}
	if c.AckCumulative(at[2], []int64{0b10}, nil); c.MarkDelete() != at[1] {
		t.Errorf("cumulative into a batch: mark-delete %v, want %v", c.MarkDelete(), at[1])
	}
	if c.Remaining(at[1]) != nil || !slices.Equal(c.Remaining(at[2]), []int64{0b10}) {
		t.Error("batch sets were not kept as they should")
	}
	closeLedger(t, l)
	l = w.open(m, Config{})
	c = l.Cursor("sub")
	if c.MarkDelete() != at[1] || !slices.Equal(c.Remaining(at[2]), []int64{0b10}) {
		t.Errorf("after reopening mark-delete %v, remaining %b", c.MarkDelete(), c.Remaining(at[2]))
	}
	as = []Ack{{Position: at[2], Remaining: []int64{0b01}}}
	if c.AckIndividual(as); !as[0].Done || c.MarkDelete() != at[2] {
		t.Error("the last index does not finish the batch")
	}
}

// A cursor's first positions go to its node, later ones to a ledger; both survive a crash, and closing leaves no ledger behind.
func TestCursorPersistence(t *testing.T) {
	w := newWorld(t)
	m := w.manager(Options{})
	l := w.open(m, Config{})
	c := openCursor(t, l, "a b/c*~")
	at := newProducer(t, l).publish(numbered(0, 40)...)
	ledgers := len(w.ledgers.IDs())
	for i := 0; i < 30; i += 3 {
		c.AckIndividual(acks(at[i], at[i+1]))
		if err := c.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if i == 0 && len(w.ledgers.IDs()) != ledgers {
			t.Error("a ledger for the first position")
		}

		next := w.open(w.manager(Options{}), Config{})
		got := next.Cursor("a b/c*~")
		if got.MarkDelete() != c.MarkDelete() || ranges(got) != ranges(c) || got.Backlog() != c.Backlog() {
			t.Fatalf("after a crash %v %s %d, want %v %s %d", got.MarkDelete(), ranges(got), got.Backlog(), c.MarkDelete(), ranges(c), c.Backlog())
		}
		if i == 27 {
			closeLedger(t, next)
			if n := len(w.ledgers.IDs()); n != ledgers {
				t.Errorf("%d ledgers after closing, want %d", n, ledgers)
			}
		}
		l, c = next, got
		if i == 27 {
			break
		}
	}
	l = w.open(w.manager(Options{}), Config{})
	if c := l.Cursor("a b/c*~"); c.MarkDelete() != at[1] || c.Backlog() != 20 {
		t.Errorf("at the end mark-delete %v, backlog %d", c.MarkDelete(), c.Backlog())
	}
}

func TestCursorFlusher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.manager(Options{FlushInterval: time.Second})
		l := w.open(m, Config{})
		c := openCursor(t, l, "sub")
		at := newProducer(t, l).publish(numbered(0, 100)...)
		for i := range 50 {
			c.AckIndividual(acks(at[i]))
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		if writes := m.Metrics().CursorWrites; writes < 4 || writes > 7 {
			t.Errorf("%d positions written in 5 s, want about one a second", writes)
		}
		w.last.kill()
		l = w.open(w.manager(Options{}), Config{})
		if got := l.Cursor("sub").MarkDelete(); got != at[49] {
			t.Errorf("stored %v, want %v", got, at[49])
		}
		_ = m.Close(t.Context())
	})
}

// A thousand cursors that move at once are written within the budget.
func TestCursorBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.manager(Options{FlushInterval: time.Second, FlushRate: 100})
		l := w.open(m, Config{})
		var cs []*Cursor
		for i := range 1000 {
			cs = append(cs, openCursor(t, l, fmt.Sprint("sub", i)))
		}
		at := newProducer(t, l).publish("one")
		for _, c := range cs {
			c.AckCumulative(at[0], nil, nil)
		}
		puts := w.meta.count()
		time.Sleep(4 * time.Second)
		if n := w.meta.count() - puts; n < 200 || n > 500 {
			t.Errorf("%d writes in 3 s with a budget of 100 a second and a burst of 100", n)
		}
		time.Sleep(10 * time.Second)
		if n := w.meta.count() - puts; n != 1000 {
			t.Errorf("%d writes in the end, want 1000", n)
		}
		_ = m.Close(t.Context())
	})
}

// A write that fails is made up for by the next flush.
func TestCursorFlushFails(t *testing.T) {
	w := newWorld(t)
	l := w.open(w.manager(Options{}), Config{})
	c := openCursor(t, l, "sub")
	at := newProducer(t, l).publish(numbered(0, 3)...)
	w.meta.faults(func(op, key string) error {
		if op == "put" {
			return errBoom
		}
		return nil
	}, nil)
	c.AckCumulative(at[1], nil, nil)
	if err := c.Flush(t.Context()); !errors.Is(err, errBoom) {
		t.Fatalf("flush: %v", err)
	}
	w.meta.faults(nil, nil)
	if err := c.Flush(t.Context()); err != nil {
		t.Fatalf("flush: %v", err)
	}
	if got := w.open(w.manager(Options{}), Config{}).Cursor("sub").MarkDelete(); got != at[1] {
		t.Errorf("stored %v, want %v", got, at[1])
	}
}

// Whether the node names a new cursor ledger stays unknown: the ledger must not be deleted.
func TestCursorLedgerUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.manager(Options{})
		l := w.open(m, Config{})
		c := openCursor(t, l, "sub")
		at := newProducer(t, l).publish(numbered(0, 20)...)
		for i := range nodePuts {
			c.AckCumulative(at[i], nil, nil)
			if err := c.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		c.AckIndividual(acks(at[10]))
		w.meta.silent()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_ = c.Flush(ctx)
		w.meta.faults(nil, nil)
		w.last.kill()
		if next := w.open(w.manager(Options{}), Config{}).Cursor("sub"); !next.IsAcked(at[10]) {
			t.Error("the position is lost")
		}
		_ = m.Close(t.Context())
	})
}

// A cursor ledger that breaks costs nothing: the position goes to the node.
func TestCursorLedgerBreaks(t *testing.T) {
	w := newWorld(t)
	m := w.manager(Options{})
	l := w.open(m, Config{})
	c := openCursor(t, l, "sub")
	at := newProducer(t, l).publish(numbered(0, 20)...)
	for i := range 10 {
		c.AckCumulative(at[i], nil, []LongProperty{{"n", int64(i)}})
		if err := c.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if i%2 == 1 {
			for _, id := range w.ledgers.IDs() {
				if o, _ := w.ledgers.Options(id); string(o.Custom["pulsar/cursor"]) == "sub" {
					if _, err := w.ledgers.Open(t.Context(), id, true); err != nil { // fences it
						t.Fatal(err)
					}
				}
			}
		}
	}
	w.last.kill()
	c = w.open(w.manager(Options{}), Config{}).Cursor("sub")
	if c.MarkDelete() != at[9] || !slices.Equal(c.LongProperties(), []LongProperty{{"n", 9}}) {
		t.Errorf("stored %v %v", c.MarkDelete(), c.LongProperties())
	}
}

// With more ranges than a node takes, a closed cursor's position stays in its ledger.
func TestCursorManyRanges(t *testing.T) {
	w := newWorld(t)
	m := w.manager(Options{})
	cfg := Config{MaxNodeRanges: 3}
	l := w.open(m, cfg)
	c := openCursor(t, l, "sub")
	at := newProducer(t, l).publish(numbered(0, 20)...)
	for i := 1; i < 20; i += 2 {
		c.AckIndividual(acks(at[i]))
	}
	want := ranges(c)
	closeLedger(t, l)
	for range 2 {
		l = w.open(m, cfg)
		c = l.Cursor("sub")
		if ranges(c) != want {
			t.Fatalf("ranges %s, want %s", ranges(c), want)
		}
		closeLedger(t, l)
	}
	if n := len(w.ledgers.IDs()); n != 2 {
		t.Errorf("%d ledgers, want that of the topic and that of the cursor", n)
	}
}

func TestCursorProperties(t *testing.T) {
	w := newWorld(t)
	m := w.manager(Options{})
	l := w.open(m, Config{})
	c, err := l.OpenCursor(t.Context(), "sub", CursorOptions{Start: bk.Latest, Properties: map[string]string{"a": "1"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetProperties(t.Context(), map[string]string{"b": "2"}); err != nil {
		t.Fatal(err)
	}
	if err := l.SetProperties(t.Context(), map[string]string{"x": "y"}); err != nil {
		t.Fatal(err)
	}
	closeLedger(t, l)
	l = w.open(m, Config{})
	if got := l.Cursor("sub").Properties(); fmt.Sprint(got) != "map[b:2]" {
		t.Errorf("cursor properties %v", got)
	}
	if got := l.Properties(); fmt.Sprint(got) != "map[x:y]" {
		t.Errorf("properties %v", got)
	}
}

func TestDeleteCursor(t *testing.T) {
	w := newWorld(t)
	m := w.manager(Options{})
	l := w.open(m, Config{})
	c := openCursor(t, l, "sub")
	at := newProducer(t, l).publish(numbered(0, 9)...)
	for i := range 6 {
		c.AckCumulative(at[i], nil, nil)
		if err := c.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.DeleteCursor(t.Context(), "sub"); err != nil {
		t.Fatal(err)
	}
	if err := l.DeleteCursor(t.Context(), "sub"); !errors.Is(err, ErrNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
	if n := len(w.ledgers.IDs()); n != 1 {
		t.Errorf("%d ledgers are left", n)
	}
	if c.AckCumulative(at[8], nil, nil); c.MarkDelete() == at[8] {
		t.Error("a deleted cursor moves")
	}
	closeLedger(t, l)
	if l = w.open(m, Config{}); len(l.Cursors()) != 0 {
		t.Error("the cursor is still there")
	}
}

// A position that a newer Pulsar split over several entries is refused, not taken for damage.
func TestCursorFooterRefused(t *testing.T) {
	w := newWorld(t)
	m := w.manager(Options{})
	l := w.open(m, Config{})
	openCursor(t, l, "sub")
	closeLedger(t, l)

	ledger, err := w.ledgers.Create(t.Context(), bk.CreateOptions{Quorum: bk.Quorum{Ensemble: 1, Write: 1, Ack: 1}, Digest: bk.DigestCRC32C})
	if err != nil {
		t.Fatal(err)
	}
	cw := newCursorWriter(ledger)
	if err := cw.append(t.Context(), []byte(`{"parts":2}`)); err != nil {
		t.Fatal(err)
	}
	key := "/managed-ledgers/" + topic + "/sub"
	v, err := w.meta.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	info := cursorInfo{ledger: ledger.ID(), position: position{markDelete: bk.Earliest}}
	if _, err := w.meta.Put(t.Context(), key, info.encode(), v.Version); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Open(t.Context(), topic, Config{}, true); !fault.Has(err, fault.ManagedSplitPosition) {
		t.Errorf("opened with %v", err)
	}
}

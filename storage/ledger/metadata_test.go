package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/storagetest"
)

// isLedger reports whether a metadata key is a ledger's.
func isLedger(key string) bool {
	_, ok := bkwire.ParseLedgerPath(key)
	return ok
}

// lose loses the answers to the first n writes of ledgers; they happen or not.
func lose(n int, happens bool) func(string, []byte) (bool, error) {
	return func(key string, _ []byte) (bool, error) {
		if !isLedger(key) || n == 0 {
			return true, nil
		}
		n--
		return happens, meta.ErrUnknown
	}
}

// TestLostAnswers: whether a write whose answer was lost happened or not, the outcome is the same and happens once.
func TestLostAnswers(t *testing.T) {
	for _, happens := range []bool{false, true} {
		for n := 1; n <= 2; n++ {
			t.Run(fmt.Sprintf("%d lost, happened %t", n, happens), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newCluster(t, 4)
					l := c.client(Options{})
					c.meta.onPut(lose(n, happens))
					w := mustCreate(t, l, triple)
					if w.ID() != 0 {
						t.Errorf("the id is %d: another ledger was made", w.ID())
					}
					a := storagetest.NewAdder(t, w)
					added(t, w, a, texts("entry", 0, 3)...)

					c.meta.onPut(lose(n, happens))
					c.kill("bookie-b")
					added(t, w, a, texts("entry", 3, 6)...)
					time.Sleep(time.Second)
					if md := c.metadata(w.ID()); len(md.Segments) != 2 || md.LastSegment().Bookies[1] != "bookie-d" {
						t.Errorf("after an ensemble change: %v", segments(md))
					}

					c.meta.onPut(lose(n, happens))
					if err := w.Close(ctx); err != nil {
						t.Error(err)
					}
					wantAll(t, mustOpen(t, l, w.ID(), false), texts("entry", 0, 6))

					w = mustCreate(t, l, triple)
					a = storagetest.NewAdder(t, w)
					added(t, w, a, texts("entry", 0, 3)...)
					c.meta.onPut(lose(n, happens))
					wantAll(t, mustOpen(t, c.client(Options{}), w.ID(), true), texts("entry", 0, 3))
				})
			})
		}
	}
}

// TestLateWrite: a write whose answer was lost happens only after its writer has tried again.
func TestLateWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		l := c.client(Options{})
		n := 0
		c.meta.onPut(func(key string, data []byte) (bool, error) {
			if !isLedger(key) {
				return true, nil
			}
			if n++; n == 1 {
				return false, meta.ErrUnknown
			}
			if n == 2 {
				if _, err := c.meta.Store.Put(ctx, key, data, meta.Absent); err != nil { // the first one, at last
					t.Error(err)
				}
			}
			return true, nil
		})
		w := mustCreate(t, l, triple)
		if w.ID() != 0 || n != 2 {
			t.Errorf("id %d after %d writes", w.ID(), n)
		}
	})
}

// TestForeignNode: an id whose node somebody else made is not used.
func TestForeignNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1)
		if _, err := c.meta.Put(ctx, bkwire.LedgerPath(0), []byte("foreign"), meta.Absent); err != nil {
			t.Fatal(err)
		}
		l := c.client(Options{})
		w := mustCreate(t, l, storagetest.LedgerOptions())
		if w.ID() != 1 {
			t.Errorf("id %d", w.ID())
		}
		if _, err := l.Open(ctx, 0, true); err == nil || !strings.Contains(err.Error(), "STB-LEDGER-0004") {
			t.Errorf("a foreign node was opened: %v", err)
		}
	})
}

// TestMetadataFails: an error that is none of the known ones ends the operation with bk.ErrMetadata.
func TestMetadataFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 2)
		l := c.client(Options{})
		w := mustCreate(t, l, storagetest.LedgerOptions())
		boom := errors.New("boom")
		c.meta.onPut(func(string, []byte) (bool, error) { return false, boom })
		if _, err := l.Create(ctx, storagetest.LedgerOptions()); !errors.Is(err, bk.ErrMetadata) || !errors.Is(err, boom) {
			t.Error(err)
		}
		if err := w.Close(ctx); !errors.Is(err, bk.ErrMetadata) {
			t.Error(err)
		}
		c.meta.onPut(nil)
		if err := w.Close(ctx); err != nil {
			t.Errorf("closing again: %v", err)
		}
		if md := c.metadata(w.ID()); md.State != bkwire.Closed {
			t.Error(md.State)
		}
	})
}

// TestRecoveredByAnother: a writer that learns only at its Close that the ledger was recovered takes the recovered end.
func TestRecoveredByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		l := c.client(Options{})
		w := mustCreate(t, l, triple)
		a := storagetest.NewAdder(t, w)
		added(t, w, a, texts("entry", 0, 3)...)
		for _, id := range c.order { // entry 3 reaches the bookies, the writer is not told
			c.peer(id).store.Hold()
		}
		a.Submit(texts("entry", 3, 4)...)
		synctest.Wait()
		done := make(chan bk.Ledger)
		go func() { done <- mustOpen(t, c.client(Options{}), w.ID(), true) }()
		synctest.Wait()
		closed := make(chan error)
		go func() { closed <- w.Close(ctx) }()
		synctest.Wait()
		for _, id := range c.order {
			c.peer(id).store.Unhold()
		}
		r := <-done
		if err := <-closed; err != nil {
			t.Fatal(err)
		}
		ours, _ := w.LastConfirmed()
		theirs, _ := r.LastConfirmed()
		if ours != 3 || theirs != 3 {
			t.Errorf("the recoverer ends at %d, the writer says %d", theirs, ours)
		}
		if acked, err := a.Wait(); acked != 2 || !errors.Is(err, bk.ErrClosed) {
			t.Errorf("acknowledged up to %d, %v", acked, err)
		}
	})
}

// TestFencedWriterWaits: a fenced writer's Close does not return an end that is not the end, and does not wait for ever.
func TestFencedWriterWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		l := c.client(Options{})
		w := mustCreate(t, l, triple)
		a := storagetest.NewAdder(t, w)
		added(t, w, a, texts("entry", 0, 3)...)
		c.meta.onPut(func(key string, data []byte) (bool, error) { // the recoverer dies before it can close
			md, err := bkwire.DecodeMetadata(data)
			if err == nil && md.State == bkwire.Closed {
				return false, errors.New("the recoverer is dead")
			}
			return true, nil
		})
		if _, err := c.client(Options{}).Open(ctx, w.ID(), true); err == nil {
			t.Fatal("recovered")
		}
		a.Submit([]byte("late"))
		if _, err := a.Wait(); !errors.Is(err, bk.ErrFenced) {
			t.Error(err)
		}
		if err := w.Close(ctx); !errors.Is(err, bk.ErrFenced) {
			t.Errorf("closed while the end is undecided: %v", err)
		}
		if last, _ := w.LastConfirmed(); last != 2 {
			t.Errorf("last confirmed %d", last)
		}
		c.meta.onPut(nil)
		mustOpen(t, c.client(Options{}), w.ID(), true)
		if err := w.Close(ctx); err != nil {
			t.Errorf("closing again: %v", err)
		}
	})
}

func TestLongIDs(t *testing.T) {
	c := newCluster(t, 1)
	counters := map[string]int64{bkwire.ShortIDsPath: bkwire.MaxShortID - 1}
	store := &counted{faultMeta: c.meta, n: counters}
	l := New(store, c, Options{})
	t.Cleanup(func() { l.Close() })
	for _, want := range []int64{bkwire.MaxShortID - 1, 1 << 32, 1<<32 + 1} {
		if got := mustCreate(t, l, storagetest.LedgerOptions()).ID(); got != want {
			t.Errorf("id %d, want %d", got, want)
		}
	}
	counters[bkwire.LongIDPath(1)] = 1 << 32
	other := New(store, c, Options{}) // finds that ids are long
	t.Cleanup(func() { other.Close() })
	for _, want := range []int64{2 << 32, 2<<32 + 1} {
		if got := mustCreate(t, other, storagetest.LedgerOptions()).ID(); got != want {
			t.Errorf("id %d, want %d", got, want)
		}
	}
}

// counted is a store whose counters begin where a test wants.
type counted struct {
	*faultMeta
	n map[string]int64
}

func (c *counted) Sequence(_ context.Context, path string) (int64, error) {
	n := c.n[path]
	c.n[path]++
	return n, nil
}

package ledger_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/ledger"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/memory"
)

func (c *catalogued) has(key string) bool {
	c.t.Helper()
	_, err := c.m.Get(context.Background(), key)
	if err != nil && !errors.Is(err, meta.ErrNotFound) {
		c.t.Fatal(err)
	}
	return err == nil
}

// describe finds a ledger in the list of all.
func (c *catalogued) describe(id int64) (found bk.LedgerInfo, err error) {
	err = c.Ledgers(context.Background(), id, func(l bk.LedgerInfo) (bool, error) {
		found = l
		return false, nil
	})
	return found, err
}

// bookieGone puts what a bookie leaves behind.
func (c *catalogued) bookieGone(id string) []string {
	keys := []string{bkwire.CookiePath(id), bkwire.AddressPath(id), bkwire.WatermarkPath(id)}
	for _, k := range keys {
		c.put(k, []byte("x"))
	}
	return keys
}

// TestForget: a bookie of which nothing is left is forgotten with all that is known of it; one that is registered, or that ledgers name, is not.
func TestForget(t *testing.T) {
	ctx := context.Background()
	c := newCatalogued(t)
	for _, id := range []string{"", "nosuch", "no/path"} {
		if _, err := c.Forget(ctx, id, true); !fault.Has(err, fault.BookieNotFound) {
			t.Errorf("%q: %v", id, err)
		}
	}
	keys := c.bookieGone("a")
	c.bookieGone("b")
	c.put(bkwire.AvailablePath+"/b", nil)
	c.ledger(3, bkwire.Closed, on(0, "a", "b"))
	c.ledger(4, bkwire.Open, on(0, "b", "c"), on(5, "a", "c")) // c is not registered either: the second segment may have its last copy on a
	c.ledger(5, bkwire.Open, on(0, "b", "c"))
	c.put(bkwire.LedgerPath(6), []byte("BookieMetadataFormatVersion\t4\n"))
	_, err := c.Forget(ctx, "a", false)
	if !fault.Has(err, fault.BookieNamed) {
		t.Fatalf("with ledgers on it: %v", err)
	}
	for _, want := range []string{"2 ledgers name a: 3, 4;", "of 1 of them it may have the last copy", "1 more cannot be read"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %q in it", err, want)
		}
	}
	for _, force := range []bool{false, true} {
		if _, err := c.Forget(ctx, "b", force); !fault.Has(err, fault.BookieAlive) {
			t.Errorf("registered: %v", err)
		}
	}
	for _, k := range append(keys, bkwire.CookiePath("b")) {
		if !c.has(k) {
			t.Errorf("%s went with a refusal", k)
		}
	}
	f, err := c.Forget(ctx, "a", true)
	if err != nil || f != (bk.BookieForgotten{Ledgers: 2, LastCopy: 1, Unread: 1}) {
		t.Errorf("by force: %+v, %v", f, err)
	}
	for _, k := range keys {
		if c.has(k) {
			t.Errorf("%s is left", k)
		}
	}
	for id, want := range map[int64]bool{3: true, 4: true, 5: false, 6: false} {
		l, err := c.describe(id)
		if l.Marked != want || want && !slices.Equal(l.Missing, []string{"a"}) {
			t.Errorf("ledger %d: marked %t, missing on %v, %v", id, l.Marked, l.Missing, err)
		}
	}
	if !c.has(bkwire.LedgerPath(3)) || !c.has(bkwire.CookiePath("b")) {
		t.Error("more was forgotten than asked")
	}
	if _, err := c.Forget(ctx, "a", true); !fault.Has(err, fault.BookieNotFound) {
		t.Errorf("again: %v", err)
	}
	c.put(bkwire.WatermarkPath("d"), nil) // what a forgetting that was cut short leaves
	if _, err := c.Forget(ctx, "d", true); err != nil || c.has(bkwire.WatermarkPath("d")) {
		t.Errorf("the rest of one: %v", err)
	}
}

// startsMeanwhile registers a bookie in the moment in which its cookie goes.
type startsMeanwhile struct{ *memory.Store }

func (s *startsMeanwhile) Delete(ctx context.Context, key string, expect meta.Version) error {
	if err := s.Store.Delete(ctx, key, expect); err != nil || key != bkwire.CookiePath("a") {
		return err
	}
	_, err := s.Put(ctx, bkwire.AvailablePath+"/a", nil, meta.Absent)
	return err
}

func TestForgetMeetsAStart(t *testing.T) {
	c := newCatalogued(t)
	keys := c.bookieGone("a")
	if _, err := ledger.NewCatalog(&startsMeanwhile{c.m}).Forget(context.Background(), "a", true); !fault.Has(err, fault.BookieAlive) {
		t.Errorf("a bookie that starts: %v", err)
	}
	for _, k := range keys {
		if !c.has(k) {
			t.Errorf("a bookie runs without %s", k)
		}
	}
}

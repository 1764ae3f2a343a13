package ledger_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/ledger"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/memory"
)

// catalogued is a store with what a test puts there.
type catalogued struct {
	t *testing.T
	m *memory.Store
	*ledger.Catalog
}

func newCatalogued(t *testing.T) *catalogued {
	m := memory.New()
	t.Cleanup(func() { m.Close() })
	return &catalogued{t, m, ledger.NewCatalog(m)}
}

func (c *catalogued) put(key string, data []byte) {
	c.t.Helper()
	if _, err := c.m.Put(context.Background(), key, data, meta.Absent); err != nil {
		c.t.Fatal(err)
	}
}

func (c *catalogued) ledger(id int64, state bkwire.State, segments ...bkwire.Segment) {
	c.t.Helper()
	md := bkwire.Metadata{Quorum: bk.Quorum{Ensemble: 2, Write: 2, Ack: 1}, State: state, Last: bk.NoEntry, Digest: bk.DigestCRC32C, Segments: segments,
		Custom: []bkwire.Custom{{Key: "component", Value: []byte("test")}}}
	if state == bkwire.Closed {
		md.Last, md.Length = 9, 1000
	}
	c.put(bkwire.LedgerPath(id), md.Append(nil))
}

func (c *catalogued) ids(first int64, limit int) (ids []int64) {
	c.t.Helper()
	err := c.Ledgers(context.Background(), first, func(l bk.LedgerInfo) (bool, error) {
		ids = append(ids, l.ID)
		return len(ids) < limit, nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return ids
}

func on(first int64, bookies ...string) bkwire.Segment {
	return bkwire.Segment{First: first, Bookies: bookies}
}

// Ids of both layouts come in their order, from any place on, and what else lies below the root is no ledger.
func TestLedgersComeInOrder(t *testing.T) {
	c := newCatalogued(t)
	all := []int64{0, 1, 9999, 10_000, 99_999_999, 100_000_000, bkwire.MaxShortID - 1, bkwire.MaxShortID, 1 << 32, 1<<32 + 1, 1 << 40, 1<<63 - 1}
	for _, id := range slices.Backward(all) {
		c.ledger(id, bkwire.Open, on(0, "a", "b"))
	}
	for _, key := range []string{bkwire.LayoutPath, bkwire.InstancePath, bkwire.CookiePath("a"), bkwire.LongIDsPath, bkwire.AvailablePath + "/a"} {
		c.put(key, []byte("x"))
	}
	c.put(bkwire.UnderreplicationPath(77), nil)
	for i, first := range all {
		if d := cmp.Diff(all[i:], c.ids(first, 100)); d != "" {
			t.Errorf("from %d on: %s", first, d)
		}
		if i > 0 {
			if d := cmp.Diff(all[i:], c.ids(all[i-1]+1, 100)); d != "" {
				t.Errorf("from behind %d on: %s", all[i-1], d)
			}
		}
	}
	if d := cmp.Diff(all[2:5], c.ids(2, 3)); d != "" {
		t.Errorf("three from 2 on: %s", d)
	}
}

func TestBookiesOfTheMetadata(t *testing.T) {
	c, ctx := newCatalogued(t), context.Background()
	if list, err := c.Bookies(ctx); err != nil || len(list) != 0 {
		t.Fatal(list, err)
	}
	info := bkwire.ServiceInfo{Endpoints: []bkwire.Endpoint{bkwire.RPCEndpoint("10.0.0.1", 3181)}}
	inProcess := bkwire.ServiceInfo{Properties: map[string]string{"x": "y"}}
	for _, id := range []string{"down", "full", "good", "changing"} {
		c.put(bkwire.CookiePath(id), []byte("x"))
	}
	c.put(bkwire.AvailablePath+"/good", info.Append(nil))
	c.put(bkwire.AvailablePath+"/changing", inProcess.Append(nil))
	c.put(bkwire.ReadOnlyPath+"/changing", inProcess.Append(nil))
	c.put(bkwire.ReadOnlyPath+"/full", info.Append(nil))
	c.put(bkwire.AvailablePath+"/10.0.0.9:3181", nil) // Apache's older form, and its cookie is not there yet
	c.put("/bookies", []byte(`{"default":{"good":{"rack":"/r1","hostname":"h"}},"other":{"down":{"rack":"/r2"}}}`))
	want := []bk.BookieInfo{
		{ID: "10.0.0.9:3181", Address: "10.0.0.9:3181", State: bk.BookieWritable},
		{ID: "changing", State: bk.BookieReadOnly},
		{ID: "down", State: bk.BookieDown, Rack: "/r2"},
		{ID: "full", Address: "10.0.0.1:3181", State: bk.BookieReadOnly},
		{ID: "good", Address: "10.0.0.1:3181", State: bk.BookieWritable, Rack: "/r1"},
	}
	got, err := c.Bookies(ctx)
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Error(err, d)
	}
	if g, err := c.Racks(ctx); err != nil || g["default"]["good"] != (bk.Rack{Rack: "/r1", Host: "h"}) {
		t.Error(g, err)
	}
}

func TestRacksThatAreNoJSON(t *testing.T) {
	c := newCatalogued(t)
	c.put("/bookies", []byte("{"))
	if _, err := c.Bookies(context.Background()); !fault.Has(err, fault.BookieRacks) {
		t.Error(err)
	}
}

func TestWhatLiesOnABookie(t *testing.T) {
	c := newCatalogued(t)
	c.ledger(1, bkwire.Closed, on(0, "a", "b"), on(5, "a", "c"))
	c.ledger(2, bkwire.Open, on(0, "a", "b"), on(7, "c", "b"))
	c.ledger(3, bkwire.InRecovery, on(0, "a", "b"))
	c.put(bkwire.LedgerPath(4), []byte("no metadata")) // hides nothing
	u := bkwire.Underreplication{Replicas: []string{"a"}}
	c.put(bkwire.UnderreplicationPath(2), u.Append(nil))
	c.put(bkwire.UnderreplicationPath(3), nil) // made on too few
	want := map[string]bk.BookieUse{"a": {Ledgers: 3, Open: 1, Marked: 1}, "b": {Ledgers: 3, Open: 2}, "c": {Ledgers: 2, Open: 1}}
	got, err := c.Use(context.Background())
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Error(err, d)
	}
}

func TestOneLedger(t *testing.T) {
	c, ctx := newCatalogued(t), context.Background()
	c.ledger(1, bkwire.Closed, on(0, "a", "b"), on(5, "a", "c"))
	c.ledger(2, bkwire.Open, on(0, "a", "b"))
	c.put(bkwire.UnderreplicationPath(2), nil)
	c.put(bkwire.LedgerPath(3), []byte("no metadata"))
	closed := bk.LedgerInfo{
		ID: 1, State: "CLOSED", Quorum: bk.Quorum{Ensemble: 2, Write: 2, Ack: 1}, Digest: bk.DigestCRC32C, Format: 3, Entries: 10, Bytes: 1000,
		Segments: []bk.LedgerSegment{{First: 0, Bookies: []string{"a", "b"}}, {First: 5, Bookies: []string{"a", "c"}}}, Custom: map[string]string{"component": "test"},
	}
	got, err := c.Ledger(ctx, 1)
	if d := cmp.Diff(closed, got); d != "" || err != nil {
		t.Error(err, d)
	}
	if l, err := c.Ledger(ctx, 2); err != nil || l.State != "OPEN" || l.Entries != -1 || l.Bytes != -1 || !l.Marked || len(l.Missing) != 0 {
		t.Errorf("%+v %v", l, err)
	}
	if _, err := c.Ledger(ctx, 3); !fault.Has(err, fault.LedgerMetadata) {
		t.Error(err)
	}
	for _, id := range []int64{4, -1, 1<<63 - 1} {
		if _, err := c.Ledger(ctx, id); !fault.Has(err, fault.LedgerNotFound) {
			t.Error(id, err)
		}
	}
}

// TestLostBookieIsTold: who is down is shown with where it was, and with who is there now.
func TestLostBookieIsTold(t *testing.T) {
	c := newCatalogued(t)
	for _, id := range []string{"down", "lost", "new"} {
		c.put(bkwire.CookiePath(id), []byte("cookie"))
	}
	c.put(bkwire.AddressPath("down"), []byte("h1:3181\n"))
	c.put(bkwire.AddressPath("lost"), []byte("h2:3181\n"))
	c.put(bkwire.AddressPath("new"), []byte("h2:3181\n"))
	info := bkwire.ServiceInfo{Endpoints: []bkwire.Endpoint{bkwire.RPCEndpoint("h2", 3181)}}
	c.put(bkwire.AvailablePath+"/new", info.Append(nil))
	got, err := c.Bookies(context.Background())
	want := []bk.BookieInfo{
		{ID: "down", State: bk.BookieDown, LastAddress: "h1:3181"},
		{ID: "lost", State: bk.BookieDown, LastAddress: "h2:3181", Successor: "new"},
		{ID: "new", State: bk.BookieWritable, Address: "h2:3181"},
	}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v %s", err, d)
	}
}

// countsReads knows how many reads are under way.
type countsReads struct {
	*memory.Store
	now, most atomic.Int64
}

func (s *countsReads) Get(ctx context.Context, key string) (meta.Value, error) {
	for n := s.now.Add(1); ; {
		most := s.most.Load()
		if n <= most || s.most.CompareAndSwap(most, n) {
			break
		}
	}
	defer s.now.Add(-1)
	time.Sleep(time.Millisecond) // of the bubble
	return s.Store.Get(ctx, key)
}

// TestLedgersAreReadTogether: some at a time, in order, and no more than are asked for but for the rest of a handful.
func TestLedgersAreReadTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCatalogued(t)
		for id := range int64(1000) {
			c.ledger(id, bkwire.Open, on(0, "a", "b"))
		}
		s := &countsReads{Store: c.m}
		c.Catalog = ledger.NewCatalog(s)
		begin := time.Now()
		if ids := c.ids(0, 2000); len(ids) != 1000 || !slices.IsSorted(ids) {
			t.Errorf("%d ledgers, in order: %t", len(ids), slices.IsSorted(ids))
		}
		if most, took := s.most.Load(), time.Since(begin); most < 16 || most > 64 || took > 200*time.Millisecond {
			t.Errorf("%d reads at once, %v for all", most, took)
		}
		begin = time.Now()
		if ids := c.ids(10, 5); !slices.Equal(ids, []int64{10, 11, 12, 13, 14}) || time.Since(begin) > 5*time.Millisecond {
			t.Errorf("%v in %v", ids, time.Since(begin))
		}
	})
}

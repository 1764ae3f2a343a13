package managed

import (
	"bytes"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strobemq/strobe/storage/bk"
)

// put gives the cache an entry whose bytes tell which it is.
func put(c *Cache, owner *Ledger, ledger, entry int64, size int) {
	text := fmt.Sprintf("%d:%d ", ledger, entry)
	body := bytes.Repeat([]byte{'x'}, max(0, size-len(text)))
	c.put(owner, ledger, []*bk.Add{{Entry: entry, Head: []byte(text), Body: bk.Bytes(body)}})
}

// have are the entries of a ledger that the cache gives from first on, checked.
func have(t *testing.T, c *Cache, ledger, first int64) (n int) {
	t.Helper()
	for _, e := range c.get(nil, ledger, first, 1<<40, 1<<20, 1<<30) {
		want := fmt.Sprintf("%d:%d ", ledger, first+int64(n))
		if !bytes.HasPrefix(e.Payload.B, []byte(want)) {
			t.Fatalf("entry %v holds %.20q, want %q", e.Position, e.Payload.B, want)
		}
		e.Payload.Release()
		n++
	}
	return n
}

// holder is a managed ledger with a cursor that has consumed nothing.
func holder() (*Ledger, *Cursor) {
	l := &Ledger{loose: map[*Cursor]struct{}{}}
	c := &Cursor{l: l, markDelete: bk.Earliest}
	l.loose[c] = struct{}{}
	return l, c
}

func TestCacheBudget(t *testing.T) {
	bk.PoisonSlabs(true)
	before := bk.SlabBytesInUse()
	c := newCache(1 << 20)
	l, _ := holder()
	for e := range int64(3000) {
		put(c, l, e%3, e/3, 1024)
	}
	if n := c.Stats().Bytes; n > 1<<20 || n < 1<<19 {
		t.Errorf("%d bytes are held with a budget of 1 MiB", n)
	}
	for ledger := range int64(3) {
		if have(t, c, ledger, 0) != 0 {
			t.Error("the oldest entries are still there")
		}
		if n := have(t, c, ledger, 900); n != 100 {
			t.Errorf("%d of the last 100 entries", n)
		}
	}
	put(c, l, 9, 0, 5<<20) // larger than the budget
	if have(t, c, 9, 0) != 1 || have(t, c, 0, 999) != 0 {
		t.Error("a large entry is not kept alone")
	}
	c.close()
	if n := bk.SlabBytesInUse() - before; n != 0 {
		t.Errorf("%d bytes of slabs are left", n)
	}
}

func TestCacheGapsAndLimits(t *testing.T) {
	c := newCache(8 << 20)
	defer c.close()
	l, _ := holder()
	for _, e := range []int64{0, 1, 2, 7, 8} { // 3 to 6 were not seen
		put(c, l, 1, e, 100)
	}
	if have(t, c, 1, 0) != 0 || have(t, c, 1, 7) != 2 || have(t, c, 1, 9) != 0 || have(t, c, 2, 0) != 0 {
		t.Error("a gap is not respected")
	}
	limited := func(n, bytes int) int {
		got := c.get(nil, 1, 7, 8, n, bytes)
		for _, e := range got {
			e.Payload.Release()
		}
		return len(got)
	}
	if limited(1, 1000) != 1 || limited(5, 150) != 1 || limited(5, 1) != 1 || limited(5, 200) != 2 {
		t.Error("limits are not respected")
	}
	c.forget(1)
	if have(t, c, 1, 7) != 0 {
		t.Error("a forgotten ledger is still there")
	}
}

// With a reader at the tail the cache stays small. In fake time, because what nobody uses for some seconds goes too.
func TestCacheDropsConsumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(32 << 20)
		defer c.close()
		l, cur := holder()
		other, slow := holder()
		for e := range int64(8 << 10) {
			put(c, l, 1, e, 1024)
			cur.markDelete = bk.Position{Ledger: 1, Entry: e}
		}
		if n := c.Stats().Bytes; n > 1<<20 {
			t.Errorf("%d bytes are held although all is consumed", n)
		}
		for e := range int64(8 << 10) {
			put(c, other, 2, e, 1024)
		}
		if have(t, c, 2, 0) != 8<<10 {
			t.Error("what was not consumed is gone")
		}
		slow.markDelete = bk.Position{Ledger: 3}
		for e := range int64(600) {
			put(c, l, 1, 8<<10+e, 1024)
			cur.markDelete = bk.Position{Ledger: 1, Entry: 8<<10 + e}
		}
		if n := c.Stats().Bytes; n > 1<<20 {
			t.Errorf("%d bytes are held after all was consumed", n)
		}
	})
}

// An idle cache gives everything back and stops its timer, or synctest would wait for ever.
func TestCacheIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(32 << 20)
		l, _ := holder()
		for e := range int64(3000) {
			put(c, l, 1, e, 1024)
		}
		for range 10 { // what is read stays
			time.Sleep(cacheTick)
			if have(t, c, 1, 0) != 3000 {
				t.Fatal("what is read is dropped")
			}
		}
		time.Sleep(4 * cacheTick)
		if n := c.Stats().Bytes; n != 0 {
			t.Errorf("an idle cache holds %d bytes", n)
		}
		put(c, l, 1, 3000, 10)
		if have(t, c, 1, 3000) != 1 {
			t.Error("after idleness nothing is cached")
		}
		c.close()
	})
}

package ledger

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/quorum"
	"github.com/strobemq/strobe/storage/storagetest"
)

var ctx = context.Background()

// segments is the metadata's segments as "first:bookies" with the bookies' letters.
func segments(md *bkwire.Metadata) []string {
	var out []string
	for _, s := range md.Segments {
		text := string(rune('0'+s.First)) + ":"
		for _, b := range s.Bookies {
			text += b[len(b)-1:]
		}
		out = append(out, text)
	}
	return out
}

func wantSegments(t testing.TB, md *bkwire.Metadata, want ...string) {
	t.Helper()
	if got := segments(md); !slices.Equal(got, want) {
		t.Errorf("segments %v, want %v", got, want)
	}
}

// added adds payloads and waits for all of them.
func added(t testing.TB, l bk.Ledger, a *storagetest.Adder, payloads ...[]byte) {
	t.Helper()
	a.Submit(payloads...)
	if _, err := a.Wait(); err != nil {
		t.Fatal(err)
	}
}

func (c *cluster) marks(id int64) []string {
	v, err := c.meta.Get(ctx, bkwire.UnderreplicationPath(id))
	if err != nil {
		return nil
	}
	u, err := bkwire.DecodeUnderreplication(v.Data)
	if err != nil {
		c.t.Fatal(err)
	}
	return append([]string{}, u.Replicas...)
}

// lacking is the bookies that lack entries of a closed ledger which the metadata says they have, sorted.
func (c *cluster) lacking(id int64) []string {
	c.t.Helper()
	md := c.metadata(id)
	var ids []string
	for e := int64(0); e <= md.Last; e++ {
		segment, _, _ := md.SegmentOf(e)
		for _, i := range quorum.WriteSet(nil, e, md.Quorum) {
			if b := segment.Bookies[i]; !slices.Contains(ids, b) && !c.peer(b).store.Has(id, e) {
				ids = append(ids, b)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// wantMarks wants marks for the bookies that lack entries of a closed ledger, and for no other.
func (c *cluster) wantMarks(id int64) {
	c.t.Helper()
	got, want := c.marks(id), c.lacking(id)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		c.t.Errorf("ledger %d: marked %v, lacking are %v; segments %v", id, got, want, segments(c.metadata(id)))
	}
}

func TestBookieDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 4)
		l := c.client(Options{})
		w := mustCreate(t, l, triple)
		a := storagetest.NewAdder(t, w)
		all := texts("entry", 0, 9)
		added(t, w, a, all[:3]...)
		synctest.Wait()
		c.kill("bookie-b")
		added(t, w, a, all[3:5]...)
		synctest.Wait() // the change may come behind these entries: they have their ack quorum without it
		added(t, w, a, all[5])
		if md := c.metadata(w.ID()); len(md.Segments) != 2 || segments(md)[1][2:] != "adc" {
			t.Errorf("segments %v", segments(md))
		}
		c.revive("bookie-b")
		c.kill("bookie-d")
		time.Sleep(time.Minute) // quarantine is over
		added(t, w, a, all[6:8]...)
		synctest.Wait()
		added(t, w, a, all[8])
		if md := c.metadata(w.ID()); len(md.Segments) != 3 || segments(md)[2][2:] != "abc" {
			t.Errorf("segments %v", segments(md))
		}
		wantAll(t, w, all)
		if err := w.Close(ctx); err != nil {
			t.Fatal(err)
		}
		wantAll(t, mustOpen(t, l, w.ID(), false), all)
		synctest.Wait()
		if got := c.peer("bookie-b").store.Entries(w.ID()); got < 4 {
			t.Errorf("bookie-b holds %d entries, want those before and after its death", got)
		}
		c.wantMarks(w.ID())
		if m := l.Metrics(); m.Created != 1 || m.Failures != 2 || m.Changes != 2 || m.Writers != 0 {
			t.Errorf("metrics %+v", m)
		}
	})
}

// TestChangeInPlace: a second failure before anything new was confirmed changes the same segment.
func TestChangeInPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 6)
		all3 := triple
		all3.Quorum.Ack = 3
		w := mustCreate(t, c.client(Options{}), all3)
		a := storagetest.NewAdder(t, w)
		added(t, w, a, texts("entry", 0, 2)...)
		c.kill("bookie-d")
		c.register("bookie-d", true) // the first choice of a replacement, and no good
		c.kill("bookie-a")
		c.hang("bookie-b")
		a.Submit(texts("entry", 2, 4)...)
		synctest.Wait()
		wantSegments(t, c.metadata(w.ID()), "0:abc", "2:ebc")
		c.kill("bookie-b")
		if acked, err := a.Wait(); err != nil || acked != 3 {
			t.Fatalf("%d, %v", acked, err)
		}
		wantSegments(t, c.metadata(w.ID()), "0:abc", "2:efc")
		wantAll(t, w, texts("entry", 0, 4))
	})
}

// TestGoesOnWithTheAckQuorum: no bookie replaces the one that died, the ledger goes on, is marked, and takes the bookie
// back when it returns.
func TestGoesOnWithTheAckQuorum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		l := c.client(Options{})
		w := mustCreate(t, l, triple)
		a := storagetest.NewAdder(t, w)
		added(t, w, a, texts("entry", 0, 3)...)
		synctest.Wait() // all three have them
		c.kill("bookie-c")
		added(t, w, a, texts("entry", 3, 6)...)
		synctest.Wait()
		wantSegments(t, c.metadata(w.ID()), "0:abc")
		if m := c.marks(w.ID()); !slices.Equal(m, []string{"bookie-c"}) {
			t.Errorf("marked as lacking %v", m)
		}
		wantAll(t, w, texts("entry", 0, 6))

		c.revive("bookie-c")
		time.Sleep(time.Minute)
		added(t, w, a, texts("entry", 6, 9)...)
		synctest.Wait()
		if got := c.peer("bookie-c").store.Entries(w.ID()); got != 6 {
			t.Errorf("the bookie that came back holds %d entries, want 6", got)
		}
		wantSegments(t, c.metadata(w.ID()), "0:abc")

		c.kill("bookie-c")
		c.kill("bookie-a")
		a.Submit(texts("entry", 9, 10)...)
		acked, err := a.Wait()
		if acked != 8 || !errors.Is(err, bk.ErrNotEnough) || !fault.Has(err, fault.LedgerNotEnough) {
			t.Errorf("with one bookie of three: acknowledged up to %d, %v", acked, err)
		}
		if err := w.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if md := c.metadata(w.ID()); md.State != bkwire.Closed || md.Last != 8 {
			t.Errorf("closed as %v at %d", md.State, md.Last)
		}
	})
}

func TestNewLedgersAreMadeSmaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		l := c.client(Options{})
		c.kill("bookie-b")
		w := mustCreate(t, l, triple)
		synctest.Wait()
		if q := c.metadata(w.ID()).Quorum; q != (bk.Quorum{Ensemble: 2, Write: 2, Ack: 2}) {
			t.Errorf("made with %+v", q)
		}
		if c.marks(w.ID()) == nil {
			t.Error("not marked as under-replicated")
		}
		a := storagetest.NewAdder(t, w)
		added(t, w, a, texts("entry", 0, 3)...)
		if w.RolloverWanted() {
			t.Error("asks for a rollover that would bring nothing")
		}
		c.revive("bookie-b")
		time.Sleep(time.Minute)
		if !w.RolloverWanted() {
			t.Error("a bookie is back, and no rollover is asked for")
		}
		if err := w.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if err := l.Delete(ctx, w.ID()); err != nil {
			t.Fatal(err)
		}
		if c.marks(w.ID()) != nil {
			t.Error("the mark outlives its ledger")
		}
		c.kill("bookie-a")
		c.kill("bookie-b")
		if _, err := l.Create(ctx, triple); !errors.Is(err, bk.ErrNotEnough) || !fault.Has(err, fault.LedgerNotEnough) {
			t.Errorf("created below the ack quorum: %v", err)
		}
	})
}

// TestHungBookie: a bookie is stopped without anything breaking.
func TestHungBookie(t *testing.T) {
	for _, q := range []bk.Quorum{{Ensemble: 3, Write: 3, Ack: 2}, {Ensemble: 2, Write: 2, Ack: 2}, {Ensemble: 1, Write: 1, Ack: 1}} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, q.Ensemble+1)
			l := c.client(Options{AddTimeout: 5 * time.Second})
			w := mustCreate(t, l, bk.CreateOptions{Quorum: q, Digest: bk.DigestCRC32C})
			a := storagetest.NewAdder(t, w)
			added(t, w, a, texts("entry", 0, 3)...)
			c.hang("bookie-a")
			begin := time.Now()
			added(t, w, a, texts("entry", 3, 6)...)
			took := time.Since(begin)
			if q.Ack < q.Write && took > 0 {
				t.Errorf("%+v: the ack quorum was there, the adds took %v", q, took)
			}
			if q.Ack == q.Write && (took < 5*time.Second || took > 6*time.Second) {
				t.Errorf("%+v: replaced after %v", q, took)
			}
			time.Sleep(10 * time.Second)
			if md := c.metadata(w.ID()); len(md.Segments) != 2 || md.LastSegment().Bookies[0] == "bookie-a" {
				t.Errorf("%+v: segments %v", q, segments(md))
			}
			// The stopped bookie wakes up and answers for a place that it no longer has.
			c.wake("bookie-a")
			synctest.Wait()
			added(t, w, a, texts("entry", 6, 9)...)
			wantAll(t, w, texts("entry", 0, 9))
			if err := w.Close(ctx); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestSlowThirdBookie: what the third bookie has not answered is bounded by its queue; it then counts as failed. Adds are
// never held up, and their memory is theirs again.
func TestSlowThirdBookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bk.PoisonSlabs(true)
		defer bk.PoisonSlabs(false)
		before := bk.SlabBytesInUse()
		c := newCluster(t, 4)
		w := mustCreate(t, c.client(Options{AddTimeout: time.Hour}), triple)
		slow := c.peer("bookie-c").store
		slow.Hold()
		a := storagetest.NewAdder(t, w)
		const size = 64 << 10
		for i := range 600 { // two and a half times what may wait
			slab := bk.NewSlab(size)
			for j := range slab.Bytes() {
				slab.Bytes()[j] = byte(i)
			}
			add := &bk.Add{Body: slab.Buf(0, size)}
			slab.Release()
			a.SubmitAdds(add)
			if _, err := a.Wait(); err != nil {
				t.Fatal(err)
			}
			add.Body.Release()
			synctest.Wait()
			if held := bk.SlabBytesInUse() - before; held > 1<<20+maxLag+3*size {
				t.Fatalf("after %d entries %d bytes are held", i+1, held)
			}
		}
		synctest.Wait()
		md := c.metadata(w.ID())
		if len(md.Segments) != 2 || md.LastSegment().Bookies[2] != "bookie-d" {
			t.Errorf("segments %v", segments(md))
		}
		slow.Unhold()
		synctest.Wait()
		if held := bk.SlabBytesInUse() - before; held != 0 {
			t.Errorf("%d bytes are still held", held)
		}
		for i, p := range storagetest.ReadAll(t, w) {
			if len(p) != size || p[0] != byte(i) || p[size-1] != byte(i) {
				t.Errorf("entry %d is not what was added", i)
			}
		}
	})
}

// TestFencedDuringChange: a recoverer comes while the writer replaces a bookie. The writer ends, with no change of metadata.
func TestFencedDuringChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 4)
		l, other := c.client(Options{}), c.client(Options{})
		w := mustCreate(t, l, triple)
		a := storagetest.NewAdder(t, w)
		added(t, w, a, texts("entry", 0, 3)...)
		r := mustOpen(t, other, w.ID(), true)
		before := c.metadata(w.ID())
		// The writer has not heard of it; a failure makes it look at the metadata first.
		w.mu.Lock()
		w.failLocked(w.members[1], bk.ErrTimeout)
		w.mu.Unlock()
		synctest.Wait()
		a.Submit(texts("entry", 3, 4)...)
		if _, err := a.Wait(); !errors.Is(err, bk.ErrFenced) {
			t.Errorf("%v, want fenced", err)
		}
		if err := w.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if after := c.metadata(w.ID()); string(after.Append(nil)) != string(before.Append(nil)) {
			t.Errorf("metadata %+v, then %+v", before, after)
		}
		wantAll(t, r, texts("entry", 0, 3))
	})
}

// TestStriped: with more bookies than a write quorum, only those that entries need are asked to hold them.
func TestStriped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 5)
		l := c.client(Options{})
		w := mustCreate(t, l, bk.CreateOptions{Quorum: bk.Quorum{Ensemble: 4, Write: 2, Ack: 2}, Digest: bk.DigestCRC32})
		a := storagetest.NewAdder(t, w)
		all := texts("entry", 0, 40)
		added(t, w, a, all[:20]...)
		c.kill("bookie-d")
		added(t, w, a, all[20:]...)
		for _, id := range []string{"bookie-a", "bookie-b", "bookie-c"} {
			if got := c.peer(id).store.Entries(w.ID()); got != 20 {
				t.Errorf("%s holds %d entries of 40", id, got)
			}
		}
		if got := c.peer("bookie-e").store.Entries(w.ID()); got != 10 {
			t.Errorf("the replacement holds %d entries", got)
		}
		wantAll(t, w, all)
		r := mustOpen(t, c.client(Options{}), w.ID(), true)
		wantAll(t, r, all)
	})
}

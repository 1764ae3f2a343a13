package ledger

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/storagetest"
)

// TestReadFallsBack: one replica is damaged, another lacks the entry, the third serves it, and both are reported.
func TestReadFallsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		w := mustCreate(t, c.client(Options{}), triple)
		a := storagetest.NewAdder(t, w)
		all := texts("entry", 0, 10)
		added(t, w, a, all...)
		synctest.Wait()
		for e := range int64(10) {
			c.peer("bookie-a").store.Damage(w.ID(), e)
		}
		c.peer("bookie-b").store.Lose(w.ID(), 5, false)
		wantAll(t, w, all)
		synctest.Wait()
		m := c.marks(w.ID())
		slices.Sort(m)
		if !slices.Equal(m, []string{"bookie-a", "bookie-b"}) {
			t.Errorf("reported for repair: %v", m)
		}
		c.peer("bookie-c").store.Lose(w.ID(), bk.NoEntry, false)
		if _, err := w.Read(ctx, 5, 5, 1); !errors.Is(err, bk.ErrDigest) {
			t.Errorf("with one damaged replica left: %v", err)
		}
		c.peer("bookie-a").store.Lose(w.ID(), bk.NoEntry, false)
		if _, err := w.Read(ctx, 5, 5, 1); !errors.Is(err, bk.ErrIO) || !fault.Has(err, fault.LedgerEntryLost) || absent(err) {
			t.Errorf("a confirmed entry that is nowhere: %v", err)
		}
	})
}

// TestLateIsNotLacking: an entry is confirmed and read while the third bookie has not written it. Nobody reports that bookie for
// repair until it has said that it has the entry, and lacks it all the same.
func TestLateIsNotLacking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		l, other := c.client(Options{AddTimeout: time.Hour}), c.client(Options{})
		w := mustCreate(t, l, triple)
		a := storagetest.NewAdder(t, w)
		all := texts("entry", 0, 4)
		slow := c.peer("bookie-a").store // the first to be asked
		slow.Hold()
		added(t, w, a, all[:3]...)
		added(t, w, a, all[3]) // tells that those before it are confirmed
		wantAll(t, w, all)
		wantAll(t, mustOpen(t, other, w.ID(), false), all[:3])
		synctest.Wait()
		if m := c.marks(w.ID()); m != nil || l.Metrics().Fallbacks == 0 || other.Metrics().Fallbacks == 0 {
			t.Errorf("reported for repair: %v after %d and %d fallbacks", m, l.Metrics().Fallbacks, other.Metrics().Fallbacks)
		}
		slow.Unhold()
		synctest.Wait()
		slow.Lose(w.ID(), bk.NoEntry, false)
		wantAll(t, w, all)
		synctest.Wait()
		if m := c.marks(w.ID()); !slices.Equal(m, []string{"bookie-a"}) {
			t.Errorf("reported for repair: %v, want the one that lost its entries", m)
		}
	})
}

// TestReadStopsBeforeDamage: what precedes a damaged entry is returned from the replica that was asked; the next read gets the
// damaged one elsewhere.
func TestReadStopsBeforeDamage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := bk.SlabBytesInUse()
		c := newCluster(t, 3)
		w := mustCreate(t, c.client(Options{}), triple)
		a := storagetest.NewAdder(t, w)
		added(t, w, a, texts("entry", 0, 10)...)
		synctest.Wait()
		c.peer("bookie-a").store.Damage(w.ID(), 4)
		got, err := w.Read(ctx, 0, 9, 1<<20)
		if err != nil || len(got) != 4 {
			t.Errorf("%d entries, %v", len(got), err)
		}
		release(got)
		wantAll(t, w, texts("entry", 0, 10))
		if held := bk.SlabBytesInUse() - before; held != 0 {
			t.Errorf("%d bytes of slabs leaked", held)
		}
	})
}

// TestReadGoesOnElsewhere: the bookie that a ledger reads from first is stopped. Another one is asked soon, and from then on.
func TestReadGoesOnElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		w := mustCreate(t, c.client(Options{Patience: 300 * time.Millisecond}), triple)
		a := storagetest.NewAdder(t, w)
		added(t, w, a, texts("entry", 0, 3)...)
		c.hang("bookie-a") // where this ledger reads first
		begin := time.Now()
		wantAll(t, w, texts("entry", 0, 3))
		if took := time.Since(begin); took != 300*time.Millisecond {
			t.Errorf("the first read took %v", took)
		}
		wantAll(t, w, texts("entry", 0, 3))
		if took := time.Since(begin); took != 300*time.Millisecond {
			t.Errorf("a bookie that made a read wait was asked first again: %v", took)
		}
		// All are stopped: nobody is given up before the read time-out, and the first that wakes up answers.
		c.hang("bookie-b")
		c.hang("bookie-c")
		begin = time.Now()
		time.AfterFunc(2*time.Second, func() { c.wake("bookie-b") })
		wantAll(t, w, texts("entry", 0, 3))
		if took := time.Since(begin); took < 2*time.Second || took > 5*time.Second {
			t.Errorf("with one that woke up after 2 s it took %v", took)
		}
		c.wake("bookie-a")
		c.wake("bookie-c")
	})
}

// TestReadTimesOut: nobody answers at all.
func TestReadTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		l := c.client(Options{ReadTimeout: 2 * time.Second})
		w := mustCreate(t, l, triple)
		a := storagetest.NewAdder(t, w)
		added(t, w, a, texts("entry", 0, 3)...)
		for _, id := range c.order {
			c.hang(id)
		}
		begin := time.Now()
		_, err := w.Read(ctx, 0, 2, 1<<20)
		if took := time.Since(begin); !errors.Is(err, bk.ErrTimeout) || took > 12*time.Second {
			t.Errorf("%v after %v", err, took)
		}
		if m := l.Metrics(); m.Quarantined != 3 {
			t.Errorf("%d bookies in quarantine", m.Quarantined)
		}
		for _, id := range c.order {
			c.wake(id)
		}
	})
}

// TestTailingReader: a reader without recovery follows an open ledger, up to what its writer let know.
func TestTailingReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		w := mustCreate(t, c.client(Options{}), triple)
		a := storagetest.NewAdder(t, w)
		added(t, w, a, texts("entry", 0, 1)...)
		added(t, w, a, texts("entry", 1, 2)...)
		synctest.Wait()
		r := mustOpen(t, c.client(Options{}), w.ID(), false)
		if last, length := r.LastConfirmed(); last != 0 || length != int64(len("entry 0")) {
			t.Errorf("confirmed up to %d with %d bytes", last, length)
		}
		if _, err := r.Read(ctx, 1, 1, 1); !errors.Is(err, bk.ErrNoEntry) {
			t.Error(err)
		}
		added(t, w, a, texts("entry", 2, 3)...)
		synctest.Wait()
		got, err := r.Read(ctx, 1, 1, 1)
		if err != nil || string(got[0].Payload.B) != "entry 1" {
			t.Fatalf("%v", err)
		}
		release(got)
		if err := w.Close(ctx); err != nil {
			t.Fatal(err)
		}
		got, err = r.Read(ctx, 2, 2, 1)
		if err != nil || string(got[0].Payload.B) != "entry 2" {
			t.Fatalf("%v", err)
		}
		release(got)
		wantAll(t, r, texts("entry", 0, 3))
	})
}

// TestDigests: every digest, with and without a password, written and read.
func TestDigests(t *testing.T) {
	for _, kind := range []bk.Digest{bk.DigestCRC32, bk.DigestMAC, bk.DigestCRC32C, bk.DigestDummy} {
		for _, password := range []string{"", "pw"} {
			t.Run(fmt.Sprintf("%d %q", kind, password), func(t *testing.T) {
				c := newCluster(t, 3)
				o := triple
				o.Digest, o.Password = kind, []byte(password)
				w := mustCreate(t, c.client(Options{}), o)
				a := storagetest.NewAdder(t, w)
				added(t, w, a, texts("entry", 0, 5)...)
				wantAll(t, mustOpen(t, c.client(Options{}), w.ID(), true), texts("entry", 0, 5))
			})
		}
	}
}

func TestBadOptions(t *testing.T) {
	l := newCluster(t, 3).client(Options{})
	for _, o := range []bk.CreateOptions{
		{},
		{Quorum: triple.Quorum},
		{Quorum: bk.Quorum{Ensemble: 1, Write: 2, Ack: 1}, Digest: bk.DigestCRC32C},
		{Quorum: bk.Quorum{Ensemble: 65, Write: 1, Ack: 1}, Digest: bk.DigestCRC32C},
	} {
		if _, err := l.Create(ctx, o); !errors.Is(err, bk.ErrBadRequest) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	l.Close()
	if _, err := l.Create(ctx, triple); !errors.Is(err, bk.ErrClosed) {
		t.Error(err)
	}
}

// TestClientClose completes everything and leaves ledgers open in the metadata; adds that come later are answered.
func TestClientClose(t *testing.T) {
	c := newCluster(t, 3)
	l := c.client(Options{})
	w := mustCreate(t, l, triple)
	a := storagetest.NewAdder(t, w)
	for _, id := range c.order {
		c.peer(id).store.Hold()
	}
	a.Submit(texts("entry", 0, 10)...)
	l.Close()
	if _, err := a.Wait(); !errors.Is(err, bk.ErrClosed) {
		t.Error(err)
	}
	a.Submit([]byte("late"))
	a.Wait()
	if md := c.metadata(w.ID()); md.State != bkwire.Open {
		t.Error(md.State)
	}
}

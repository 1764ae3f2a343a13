package ledger

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/storagetest"
)

// prompt adds payloads and wants them acknowledged at once.
func prompt(t *testing.T, w *writer, a *storagetest.Adder, payloads ...[]byte) {
	t.Helper()
	begin := time.Now()
	added(t, w, a, payloads...)
	if took := time.Since(begin); took > 0 {
		t.Errorf("ledger %d: adds took %v", w.ID(), took)
	}
}

// TestBookieDiesWhileMetadataIsAway: a fourth bookie is there, and nobody to write it down. Adds go on with the ack quorum for ten
// minutes; then the change is written, from the entries on that the new bookie gets, and the rest is marked.
func TestBookieDiesWhileMetadataIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 4)
		w := mustCreate(t, c.client(Options{}), triple)
		a := storagetest.NewAdder(t, w)
		prompt(t, w, a, texts("entry", 0, 3)...)
		synctest.Wait()
		c.meta.leave()
		c.kill("bookie-c")
		for i := range 600 {
			prompt(t, w, a, texts("entry", 3+i, 4+i)...)
			time.Sleep(time.Second)
		}
		c.meta.mu.Lock()
		calls := c.meta.calls
		c.meta.mu.Unlock()
		if calls > 200 {
			t.Errorf("%d calls to metadata that is away", calls)
		}
		c.meta.comeBack()
		time.Sleep(10 * time.Second)
		md := c.metadata(w.ID())
		if len(md.Segments) != 2 || md.LastSegment().First != 603 || md.LastSegment().Bookies[2] != "bookie-d" {
			t.Errorf("segments %v", segments(md))
		}
		prompt(t, w, a, texts("entry", 603, 610)...)
		if err := w.Close(ctx); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := c.lacking(w.ID()); !slices.Equal(got, []string{"bookie-c"}) {
			t.Errorf("lacking are %v", got)
		}
		c.wantMarks(w.ID())
		if got := c.peer("bookie-d").store.Entries(w.ID()); got != 7 {
			t.Errorf("the new bookie has %d entries", got)
		}
		wantAll(t, mustOpen(t, c.client(Options{}), w.ID(), false), texts("entry", 0, 610))
	})
}

// TestChangeHoldsNobodyUp: the metadata takes its time. What is confirmed meanwhile is sent to the new bookie when it has its place, so
// that no entry behind the failure lacks a copy.
func TestChangeHoldsNobodyUp(t *testing.T) {
	for _, size := range []int{10, maxHeld / 3} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, 4)
			w := mustCreate(t, c.client(Options{}), triple)
			a := storagetest.NewAdder(t, w)
			prompt(t, w, a, texts("entry", 0, 3)...)
			synctest.Wait()
			c.meta.slow = func() time.Duration { return time.Second } // a probe and a change: two seconds
			c.peer("bookie-c").store.SetReadOnly(errors.New("full"))
			for range 20 {
				prompt(t, w, a, make([]byte, size))
				time.Sleep(100 * time.Millisecond)
			}
			time.Sleep(time.Second)
			if err := w.Close(ctx); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second) // marks take their time too
			// Entry 3 may have been confirmed before the bookie refused it.
			lacking, segments := c.lacking(w.ID()), c.metadata(w.ID()).Segments
			if all := len(segments) == 2 && segments[1].First <= 4 && !slices.Contains(lacking, "bookie-d"); all != (size == 10) {
				t.Errorf("%d bytes each: lacking are %v, segments %v", size, lacking, segments)
			}
			c.wantMarks(w.ID())
		})
	}
}

// TestSecondBookieDiesWhileMetadataIsAway: without an ack quorum adds wait. They go on when a bookie is back, or metadata to write down
// another.
func TestSecondBookieDiesWhileMetadataIsAway(t *testing.T) {
	for _, first := range []string{"bookie", "metadata", "nobody"} {
		t.Run(first+" comes back", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, 5)
				l := c.client(Options{QuorumWait: time.Minute})
				w := mustCreate(t, l, triple)
				a := storagetest.NewAdder(t, w)
				prompt(t, w, a, texts("entry", 0, 3)...)
				synctest.Wait()
				c.meta.leave()
				c.kill("bookie-c")
				c.register("bookie-c", true) // registrations stay as they were
				prompt(t, w, a, texts("entry", 3, 6)...)
				c.kill("bookie-b")
				c.register("bookie-b", true)
				a.Submit(texts("entry", 6, 9)...)
				time.Sleep(30 * time.Second)
				w.mu.Lock()
				waiting, err := w.window.Pending(), w.err
				w.mu.Unlock()
				if waiting != 3 || err != nil {
					t.Fatalf("%d entries wait, %v", waiting, err)
				}
				begin := time.Now()
				switch first {
				case "bookie":
					c.revive("bookie-b")
				case "metadata":
					c.meta.comeBack()
				case "nobody":
					if _, err := a.Wait(); !errors.Is(err, bk.ErrNotEnough) {
						t.Fatal(err)
					}
					if waited := time.Since(begin); waited < 20*time.Second || waited > 40*time.Second {
						t.Errorf("failed %v after the half minute", waited)
					}
					c.meta.comeBack()
					w.Close(ctx)
					wantAll(t, mustOpen(t, l, w.ID(), true), texts("entry", 0, 6))
					return
				}
				if _, err := a.Wait(); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(begin); took > 2*time.Second {
					t.Errorf("adds went on after %v", took)
				}
				c.meta.comeBack()
				time.Sleep(time.Minute)
				prompt(t, w, a, texts("entry", 9, 12)...)
				if err := w.Close(ctx); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				c.wantMarks(w.ID())
				wantAll(t, mustOpen(t, c.client(Options{}), w.ID(), false), texts("entry", 0, 12))
			})
		})
	}
}

// TestFencedWhileMetadataIsAway: the writer is cut off from the metadata, another client is not, and recovers the ledger.
func TestFencedWhileMetadataIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 4)
		mine := &faultMeta{Store: c.meta.Store}
		l := New(mine, c, Options{pick: func(int) int { return 0 }})
		t.Cleanup(func() { l.Close() })
		w := mustCreate(t, l, triple)
		a := storagetest.NewAdder(t, w)
		prompt(t, w, a, texts("entry", 0, 3)...)
		mine.leave()
		c.kill("bookie-c")
		prompt(t, w, a, texts("entry", 3, 6)...)
		r := mustOpen(t, c.client(Options{}), w.ID(), true)
		before := c.metadata(w.ID())
		wantAll(t, r, texts("entry", 0, 6))
		mine.comeBack()
		time.Sleep(10 * time.Second)
		a.Submit(texts("entry", 6, 7)...)
		if _, err := a.Wait(); !errors.Is(err, bk.ErrFenced) {
			t.Errorf("%v, want fenced", err)
		}
		if err := w.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if after := c.metadata(w.ID()); string(after.Append(nil)) != string(before.Append(nil)) {
			t.Errorf("metadata %+v, then %+v", before, after)
		}
	})
}

// TestCloseWhileChangeIsPending: the answer to the change is lost in an outage, and the ledger is closed before anybody knows. What the
// metadata says in the end is what the bookies have, or is marked.
func TestCloseWhileChangeIsPending(t *testing.T) {
	for _, happened := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, 4)
			w := mustCreate(t, c.client(Options{}), triple)
			a := storagetest.NewAdder(t, w)
			prompt(t, w, a, texts("entry", 0, 3)...)
			synctest.Wait()
			c.meta.strays = func() bool { return happened }
			puts := 0
			c.meta.onPut(func(key string, _ []byte) (bool, error) {
				if !isLedger(key) {
					return true, nil
				}
				if puts++; puts == 1 {
					go c.meta.leave()
					return happened, errors.New("gone")
				}
				return true, nil
			})
			c.kill("bookie-c")
			for i := range 5 {
				prompt(t, w, a, texts("entry", 3+i, 4+i)...)
				time.Sleep(10 * time.Second)
			}
			time.AfterFunc(time.Minute, c.meta.comeBack)
			if err := w.Close(ctx); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			md := c.metadata(w.ID())
			if md.State != bkwire.Closed || md.Last != 7 || len(md.Segments) == 2 != happened {
				t.Errorf("closed as %v at %d, segments %v", md.State, md.Last, segments(md))
			}
			if len(c.lacking(w.ID())) == 0 {
				t.Error("nobody lacks anything: the test tests nothing")
			}
			c.wantMarks(w.ID())
			wantAll(t, mustOpen(t, c.client(Options{}), w.ID(), false), texts("entry", 0, 8))
		})
	}
}

// TestManyLedgersMissABookie: a bookie that goes does not become a storm on the metadata, and two that are gone but registered are not
// put in each other's place for ever.
func TestManyLedgersMissABookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 4)
		l := c.client(Options{})
		var ws []*writer
		var as []*storagetest.Adder
		for range 100 {
			w := mustCreate(t, l, triple)
			ws, as = append(ws, w), append(as, storagetest.NewAdder(t, w))
		}
		var mu sync.Mutex
		now, most, puts := 0, 0, 0
		c.meta.slow = func() time.Duration {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			time.AfterFunc(10*time.Millisecond, func() {
				mu.Lock()
				now--
				mu.Unlock()
			})
			return 10 * time.Millisecond
		}
		c.meta.onPut(func(key string, _ []byte) (bool, error) {
			if isLedger(key) {
				mu.Lock()
				puts++
				mu.Unlock()
			}
			return true, nil
		})
		c.kill("bookie-c")
		c.kill("bookie-d")
		c.register("bookie-c", true)
		c.register("bookie-d", true)
		for i := range 10 {
			for n, w := range ws {
				prompt(t, w, as[n], fmt.Appendf(nil, "entry %d", i))
			}
			time.Sleep(time.Second)
		}
		mu.Lock()
		defer mu.Unlock()
		if most > maxChanges+2 { // and a mark
			t.Errorf("%d calls at once", most)
		}
		if puts > 2*len(ws) {
			t.Errorf("the metadata of %d ledgers was changed %d times", len(ws), puts)
		}
	})
}

// TestDiskFull: a bookie has no room and says so, in its registration too. With a fourth one it is replaced; with exactly three the
// ledger goes on, and takes the bookie back when it has room.
func TestDiskFull(t *testing.T) {
	for _, n := range []int{3, 4} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, n)
			l := c.client(Options{})
			w := mustCreate(t, l, triple)
			a := storagetest.NewAdder(t, w)
			prompt(t, w, a, texts("entry", 0, 3)...)
			full := c.peer("bookie-b").store
			full.SetReadOnly(errors.New("no room"))
			prompt(t, w, a, texts("entry", 3, 4)...)
			c.register("bookie-b", false)
			for i := range 60 {
				prompt(t, w, a, texts("entry", 4+i, 5+i)...)
				time.Sleep(time.Second)
			}
			had := full.Entries(w.ID())
			full.SetReadOnly(nil)
			c.register("bookie-b", true)
			time.Sleep(10 * time.Second)
			prompt(t, w, a, texts("entry", 64, 70)...)
			synctest.Wait()
			more := full.Entries(w.ID()) - had
			if n == 3 && (more != 6 || len(c.metadata(w.ID()).Segments) != 1) || n == 4 && (more != 0 || len(c.metadata(w.ID()).Segments) != 2) {
				t.Errorf("of %d bookies, the one that has room again got %d entries; segments %v", n, more, segments(c.metadata(w.ID())))
			}
			next := mustCreate(t, l, triple)
			if got := idsOf(next.members); len(got) != 3 || n == 3 && !slices.Contains(got, "bookie-b") {
				t.Errorf("a new ledger is on %v", got)
			}
			if err := w.Close(ctx); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			c.wantMarks(w.ID())
		})
	}
}

// TestLateThirdCopy: a ledger is closed while a bookie still writes its copies, as it is at every rollover. They are waited for, so that
// a reader does not take them for missing; those that do not come are marked.
func TestLateThirdCopy(t *testing.T) {
	for _, comes := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, 3)
			l := c.client(Options{})
			w := mustCreate(t, l, triple)
			a := storagetest.NewAdder(t, w)
			late := c.peer("bookie-a").store // where the reader asks first
			late.Hold()
			prompt(t, w, a, texts("entry", 0, 9)...)
			if comes {
				time.AfterFunc(50*time.Millisecond, late.Unhold)
			}
			if err := w.Close(ctx); err != nil {
				t.Fatal(err)
			}
			wantAll(t, mustOpen(t, c.client(Options{}), w.ID(), false), texts("entry", 0, 9))
			synctest.Wait()
			if marked := c.marks(w.ID()) != nil; marked == comes {
				t.Errorf("the copies come: %v; marked: %v", comes, marked)
			}
			late.Unhold()
		})
	}
}

// TestOutages plays random histories of a writer that lives through ten minutes without metadata while bookies die, stop and run full,
// one at a time. No add fails, none waits for long, and every copy that is missing in the end is marked.
func TestOutages(t *testing.T) {
	for seed := range uint64(*simSeeds) {
		synctest.Test(t, func(t *testing.T) { playOutage(t, seed) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func playOutage(t *testing.T, seed uint64) {
	s := &sim{rng: rand.New(rand.NewPCG(seed, 2)), scale: time.Second}
	s.c = newCluster(t, 3+s.rng.IntN(3))
	for _, id := range s.c.order {
		s.c.peer(id).store.SetSyncTime(time.Duration(1+s.rng.IntN(5)) * time.Millisecond)
	}
	s.c.meta.slow = func() time.Duration { return time.Duration(s.dice(int(3 * time.Millisecond))) }
	s.c.meta.strays = func() bool { return s.dice(2) == 0 }
	w := mustCreate(t, s.c.client(Options{pick: s.dice}), triple)
	time.AfterFunc(time.Duration(s.dice(int(time.Minute))), func() {
		s.c.meta.leave()
		time.AfterFunc(10*time.Minute, s.c.meta.comeBack)
	})
	over := make(chan struct{})
	var chaos sync.WaitGroup
	chaos.Go(func() {
		for {
			select {
			case <-over:
				return
			case <-time.After(time.Duration(s.dice(int(time.Minute)))):
			}
			id := s.c.order[s.dice(len(s.c.order))]
			p := s.c.peer(id)
			down := time.Duration(s.dice(int(time.Minute)))
			switch s.dice(3) {
			case 0:
				s.c.kill(id)
				s.c.register(id, s.dice(2) == 0) // it may be long before that is known
				time.Sleep(down)
				s.c.revive(id)
				s.c.peer(id).store.SetSyncTime(time.Millisecond)
			case 1:
				s.c.hang(id)
				time.Sleep(down)
				s.c.wake(id)
			default:
				p.store.SetReadOnly(errors.New("full"))
				time.Sleep(down)
				p.store.SetReadOnly(nil)
			}
			if s.dice(2) == 0 {
				time.Sleep(40 * time.Second) // all is well for a while
			}
		}
	})
	var adds sync.WaitGroup
	watch := &watch{t: t, adds: &adds}
	const n = 1500
	for i := range n {
		adds.Add(1)
		w.Add([]*bk.Add{{Body: bk.Bytes(fmt.Appendf(nil, "entry %d", i)), Ctx: time.Now(), Done: watch}})
		s.nap(1)
	}
	adds.Wait()
	close(over)
	chaos.Wait()
	s.c.meta.comeBack()
	if err := w.Close(ctx); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Minute)
	if last, _ := w.LastConfirmed(); last != n-1 {
		t.Errorf("closed at %d", last)
	}
	wantAll(t, mustOpen(t, s.c.client(Options{}), w.ID(), false), texts("entry", 0, n))
	marked := s.c.marks(w.ID())
	for _, id := range s.c.lacking(w.ID()) {
		if !slices.Contains(marked, id) {
			t.Errorf("%s lacks entries, marked are %v; segments %v", id, marked, s.c.metadata(w.ID()).Segments)
		}
	}
}

// watch judges adds as they come back.
type watch struct {
	t    *testing.T
	adds *sync.WaitGroup
}

func (w *watch) AddsDone(done []*bk.Add) {
	for _, a := range done {
		if a.Err != nil {
			w.t.Errorf("add failed: %v", a.Err)
		}
		// A bookie is stopped when the one before it is barely back: the ack quorum is there when that one was taken back, or this one was
		// given up.
		if took := time.Since(a.Ctx.(time.Time)); took > 3*time.Second {
			w.t.Errorf("entry %d waited for %v", a.Entry, took)
		}
		w.adds.Done()
	}
}

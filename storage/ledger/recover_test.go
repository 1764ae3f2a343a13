package ledger

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/quorum"
	"github.com/strobemq/strobe/storage/storagetest"
)

// lay puts a ledger into the cluster by hand: its metadata, and on each bookie, by letter, entries given by their LAC field.
type lay struct {
	c  *cluster
	id int64
	md *bkwire.Metadata
}

func newLay(c *cluster, md *bkwire.Metadata) *lay {
	l := &lay{c: c, id: 1, md: md}
	if _, err := c.meta.Put(ctx, bkwire.LedgerPath(l.id), md.Append(nil), meta.Absent); err != nil {
		c.t.Fatal(err)
	}
	return l
}

// size is the payload size of every entry laid.
const size = 10

// entry stores an entry on bookies.
func (l *lay) entry(id, lac int64, bookies string) *lay {
	d, _ := bkwire.NewDigester(l.md.Digest, l.md.Password)
	body := make([]byte, size)
	body[0] = byte(id)
	for _, letter := range bookies {
		op := &bk.BookieAdd{
			Ledger: l.id, Entry: id, MasterKey: bkwire.MasterKey(l.md.Password), Body: bk.Bytes(body),
			Head: d.AppendHead(nil, bkwire.Header{Ledger: l.id, Entry: id, LAC: lac, Length: (id + 1) * size}, nil, body),
		}
		done := make(addsDone, 1)
		op.Done = done
		l.c.peer("bookie-" + string(letter)).Add([]*bk.BookieAdd{op})
		if got := <-done; got != bk.OK {
			l.c.t.Fatalf("bookie-%c: %v", letter, got)
		}
	}
	return l
}

type addsDone chan bk.Code

func (d addsDone) BookieAddsDone(done []*bk.BookieAdd) {
	for _, op := range done {
		d <- op.Err
	}
}

func openOn(q bk.Quorum, segments ...bkwire.Segment) *bkwire.Metadata {
	return &bkwire.Metadata{Version: 3, Quorum: q, State: bkwire.Open, Last: bk.NoEntry, Digest: bk.DigestCRC32C, Password: []byte("pw"), Segments: segments}
}

func abc(first int64) bkwire.Segment {
	return bkwire.Segment{First: first, Bookies: []string{"bookie-a", "bookie-b", "bookie-c"}}
}

// TestRecoveryFindsTheEnd: which entries stand where decides where the ledger ends.
func TestRecoveryFindsTheEnd(t *testing.T) {
	three, two := bk.Quorum{Ensemble: 3, Write: 3, Ack: 2}, bk.Quorum{Ensemble: 3, Write: 2, Ack: 2}
	for _, c := range []struct {
		name string
		md   *bkwire.Metadata
		lay  func(l *lay)
		down string // bookies that are dead
		last int64
		err  error
	}{
		{"empty", openOn(three, abc(0)), func(l *lay) {}, "", -1, nil},
		{"empty, one down", openOn(three, abc(0)), func(l *lay) {}, "b", -1, nil},
		{"empty, two down", openOn(three, abc(0)), func(l *lay) {}, "bc", 0, bk.ErrRecovery},
		{"all have all", openOn(three, abc(0)), func(l *lay) { l.entry(0, -1, "abc").entry(1, 0, "abc") }, "", 1, nil},
		{"acknowledged by two, one of them down", openOn(three, abc(0)), func(l *lay) { l.entry(0, -1, "abc").entry(1, 0, "ab") }, "a", 1, nil},
		{"acknowledged by two, never by the third", openOn(three, abc(0)), func(l *lay) { l.entry(0, -1, "ab").entry(1, 0, "ab") }, "", 1, nil},
		{"stored by the first of its write set only: kept, it is found first", openOn(three, abc(0)), func(l *lay) { l.entry(0, -1, "abc").entry(1, 0, "b") }, "", 1, nil},
		{"stored by the last of its write set only: two say no, which is proof", openOn(three, abc(0)), func(l *lay) { l.entry(0, -1, "abc").entry(1, 0, "a") }, "", 0, nil},
		{"stored by the last only, another down: it may have been acknowledged", openOn(three, abc(0)), func(l *lay) { l.entry(0, -1, "abc").entry(1, 0, "a") }, "b", 1, nil},
		{"striped", openOn(two, abc(0)), func(l *lay) { l.entry(0, -1, "ab").entry(1, 0, "bc").entry(2, 1, "ca") }, "", 2, nil},
		{"striped, half of the last", openOn(two, abc(0)), func(l *lay) { l.entry(0, -1, "ab").entry(1, 0, "bc").entry(2, 1, "a") }, "", 1, nil},
		{"striped, a hole is the end", openOn(two, abc(0)), func(l *lay) { l.entry(0, -1, "ab").entry(2, -1, "ca") }, "", 0, nil},
		{"striped, one down, its entries undecided", openOn(two, abc(0)), func(l *lay) { l.entry(0, -1, "ab").entry(1, 0, "bc").entry(2, 1, "ca") }, "c", 2, nil},
		{"empty last segment", openOn(three, abc(0), bkwire.Segment{First: 2, Bookies: []string{"bookie-a", "bookie-b", "bookie-d"}}),
			func(l *lay) { l.entry(0, -1, "abc").entry(1, 0, "abc") }, "", 1, nil},
		{"empty last segment, the other's bookie down", openOn(three, abc(0), bkwire.Segment{First: 2, Bookies: []string{"bookie-d", "bookie-e", "bookie-f"}}),
			func(l *lay) { l.entry(0, -1, "abc").entry(1, 0, "abc") }, "a", 1, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl := newCluster(t, 6)
				l := newLay(cl, c.md)
				c.lay(l)
				for _, letter := range c.down {
					cl.kill("bookie-" + string(letter))
				}
				r, err := cl.client(Options{}).Open(ctx, l.id, true)
				md := cl.metadata(l.id)
				if c.err != nil {
					if !errors.Is(err, c.err) || !fault.Has(err, fault.LedgerRecovery) || md.State != bkwire.InRecovery {
						t.Errorf("%v, the ledger is %v", err, md.State)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				last, length := r.LastConfirmed()
				if last != c.last || length != (c.last+1)*size || md.State != bkwire.Closed || md.Last != last || md.Length != length {
					t.Errorf("recovered to entry %d with %d bytes, want %d; the metadata says %v %d %d", last, length, c.last, md.State, md.Last, md.Length)
				}
				for i, p := range storagetest.ReadAll(t, r) {
					if p[0] != byte(i) {
						t.Errorf("entry %d is not the one that was there", i)
					}
				}
			})
		})
	}
}

// TestRecoveryMakesDurable: what one bookie alone had is on the ack quorum afterwards, dead bookies are replaced, and the
// metadata of the tail changes only when the ledger is closed.
func TestRecoveryMakesDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 5)
		l := newLay(c, openOn(bk.Quorum{Ensemble: 3, Write: 3, Ack: 2}, abc(0)))
		l.entry(0, -1, "abc").entry(1, 0, "a").entry(2, 0, "a").entry(3, 0, "a")
		c.kill("bookie-c")
		var states []string
		c.meta.onPut(func(key string, data []byte) (bool, error) {
			if md, err := bkwire.DecodeMetadata(data); err == nil {
				states = append(states, md.State.String())
			}
			return true, nil
		})
		r := mustOpen(t, c.client(Options{}), l.id, true)
		synctest.Wait()
		if !slices.Equal(states, []string{"IN_RECOVERY", "CLOSED"}) {
			t.Errorf("metadata was written as %v", states)
		}
		wantSegments(t, c.metadata(l.id), "0:abc", "1:abd")
		if got := len(storagetest.ReadAll(t, r)); got != 4 {
			t.Errorf("%d entries", got)
		}
		if b, d := c.peer("bookie-b").store.Entries(l.id), c.peer("bookie-d").store.Entries(l.id); b != 4 || d != 3 {
			t.Errorf("after recovery bookie-b has %d entries, the replacement %d", b, d)
		}
		c.kill("bookie-a") // the only one that had them
		if got := len(storagetest.ReadAll(t, mustOpen(t, c.client(Options{}), l.id, false))); got != 4 {
			t.Errorf("%d entries without the bookie that had them", got)
		}
	})
}

// TestRecoveryGoesOnWithTheAckQuorum: nobody replaces the dead bookie.
func TestRecoveryGoesOnWithTheAckQuorum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		l := newLay(c, openOn(bk.Quorum{Ensemble: 3, Write: 3, Ack: 2}, abc(0)))
		l.entry(0, -1, "abc").entry(1, 0, "a")
		c.kill("bookie-c")
		r := mustOpen(t, c.client(Options{}), l.id, true)
		synctest.Wait()
		wantSegments(t, c.metadata(l.id), "0:abc")
		if got := len(storagetest.ReadAll(t, r)); got != 2 || c.peer("bookie-b").store.Entries(l.id) != 2 {
			t.Errorf("%d entries", got)
		}
		if m := c.marks(l.id); !slices.Equal(m, []string{"bookie-c"}) {
			t.Errorf("marked as lacking %v", m)
		}
	})
}

// TestRecoveryThatDiedTellsNothing: a recovery replaces a bookie, gets a tail onto its ensemble, and dies before that
// ensemble is in the metadata. The next one must not take its word for what is confirmed. (The simulation found it.)
func TestRecoveryThatDiedTellsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 4)
		q := bk.Quorum{Ensemble: 3, Write: 3, Ack: 2}
		l := newLay(c, openOn(q, abc(0)))
		l.entry(0, -1, "abc")
		const tail = 2 * recoveryWindow
		for e := range int64(tail) {
			l.entry(e+1, 0, "a")
		}
		c.kill("bookie-c") // replaced by bookie-d, in memory
		sick := c.peer("bookie-b").store
		sick.Fail = func(r *bk.Record) bk.Code {
			if r.Kind == bk.RecordEntry {
				return bk.ErrIO
			}
			return bk.OK
		}
		died := errors.New("died")
		c.meta.onPut(func(_ string, data []byte) (bool, error) {
			if md, err := bkwire.DecodeMetadata(data); err == nil && md.State == bkwire.Closed {
				return false, died
			}
			return true, nil
		})
		first := c.client(Options{})
		_, err := first.Open(ctx, l.id, true)
		if !errors.Is(err, died) {
			t.Fatalf("the first recovery: %v", err)
		}
		c.meta.onPut(nil)
		synctest.Wait()
		sick.Fail = nil
		mustOpen(t, c.client(Options{}), l.id, true)
		synctest.Wait()
		md := c.metadata(l.id)
		few := 0
		for e := int64(0); e <= tail; e++ {
			segment, _, _ := md.SegmentOf(e)
			copies := 0
			for _, b := range segment.Bookies {
				if c.peer(b).store.Has(l.id, e) {
					copies++
				}
			}
			if copies < q.Ack {
				few++
			}
		}
		if few > 0 {
			t.Errorf("%d entries are on fewer than %d bookies, the ledger ends at %d", few, q.Ack, md.Last)
		}
	})
}

// TestBrokenDigestCoversNothing: a bookie that answers with a damaged last entry has told nothing.
func TestBrokenDigestCoversNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		l := newLay(c, openOn(bk.Quorum{Ensemble: 3, Write: 3, Ack: 2}, abc(0)))
		l.entry(0, -1, "abc").entry(1, 0, "bc")
		c.kill("bookie-c")
		c.peer("bookie-b").store.Damage(l.id, 1)
		_, err := c.client(Options{}).Open(ctx, l.id, true)
		if !errors.Is(err, bk.ErrRecovery) {
			t.Errorf("recovered on the word of one intact bookie of three: %v", err)
		}
		c.revive("bookie-c")
		r := mustOpen(t, c.client(Options{}), l.id, true)
		if last, _ := r.LastConfirmed(); last != 1 {
			t.Errorf("recovered to %d", last)
		}
	})
}

// TestLimboCoversNothing: a bookie that lost entries and knows it does not vouch for their absence.
func TestLimboCoversNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		l := newLay(c, openOn(bk.Quorum{Ensemble: 3, Write: 3, Ack: 2}, abc(0)))
		l.entry(0, -1, "abc").entry(1, 0, "bc")
		c.peer("bookie-b").store.Lose(l.id, 1, true)
		c.kill("bookie-c")
		if _, err := c.client(Options{}).Open(ctx, l.id, true); !errors.Is(err, bk.ErrRecovery) {
			t.Errorf("an acknowledged entry was recovered away: %v", err)
		}
		c.revive("bookie-c")
		if last, _ := mustOpen(t, c.client(Options{}), l.id, true).LastConfirmed(); last != 1 {
			t.Errorf("recovered to %d", last)
		}
	})
}

func TestRecoveryWithAWrongPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		md := openOn(bk.Quorum{Ensemble: 3, Write: 3, Ack: 2}, abc(0))
		l := newLay(c, md)
		l.entry(0, -1, "abc")
		wrong := md.Clone()
		wrong.Password = []byte("other")
		if _, err := c.meta.Put(ctx, bkwire.LedgerPath(l.id), wrong.Append(nil), meta.Any); err != nil {
			t.Fatal(err)
		}
		if _, err := c.client(Options{}).Open(ctx, l.id, true); !errors.Is(err, bk.ErrUnauthorized) || errors.Is(err, bk.ErrRecovery) || !fault.Has(err, fault.LedgerKey) {
			t.Error(err)
		}
	})
}

// TestHungBookieInRecovery: two answers are enough, the third bookie is not waited for; where it is needed, it is timed out.
func TestHungBookieInRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		l := newLay(c, openOn(bk.Quorum{Ensemble: 3, Write: 3, Ack: 2}, abc(0)))
		l.entry(0, -1, "abc").entry(1, 0, "ab")
		c.hang("bookie-c")
		client := c.client(Options{ReadTimeout: 3 * time.Second})
		begin := time.Now()
		r := mustOpen(t, client, l.id, true)
		if last, _ := r.LastConfirmed(); last != 1 || time.Since(begin) > 4*time.Second {
			t.Errorf("recovered to %d in %v", last, time.Since(begin))
		}
		c.wake("bookie-c")
	})
}

// TestTwoRecoverers: the first to close wins, the other takes its end, whatever it found itself.
func TestTwoRecoverers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 4)
		l := newLay(c, openOn(bk.Quorum{Ensemble: 3, Write: 3, Ack: 2}, abc(0)))
		l.entry(0, -1, "abc").entry(1, 0, "a") // may be kept or not: nobody acknowledged it
		ends := make(chan int64, 2)
		slow := make(chan struct{})
		first := c.client(Options{})
		c.meta.onPut(func(key string, data []byte) (bool, error) {
			if md, err := bkwire.DecodeMetadata(data); err == nil && md.State == bkwire.Closed && md.Last == 0 {
				<-slow // the one that proved the absence is held up before it can close
			}
			return true, nil
		})
		go func() {
			last, _ := mustOpen(t, first, l.id, true).LastConfirmed()
			ends <- last
		}()
		synctest.Wait()
		c.kill("bookie-b") // now the second cannot prove it and keeps the entry
		go func() {
			last, _ := mustOpen(t, c.client(Options{}), l.id, true).LastConfirmed()
			ends <- last
		}()
		synctest.Wait()
		if md := c.metadata(l.id); md.State != bkwire.Closed || md.Last != 1 {
			t.Fatalf("the second recoverer closed at %d, %v", md.Last, md.State)
		}
		close(slow)
		if a, b := <-ends, <-ends; a != 1 || b != 1 {
			t.Errorf("the recoverers say %d and %d", a, b)
		}
	})
}

// TestOldMetadata: a ledger of an old client is recovered and stays in its format.
func TestOldMetadata(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		md := openOn(bk.Quorum{Ensemble: 3, Write: 2, Ack: 2}, abc(0))
		md.Version = 2
		l := newLay(c, md)
		l.entry(0, -1, "ab").entry(1, 0, "bc")
		mustOpen(t, c.client(Options{}), l.id, true)
		if got := c.metadata(l.id); got.Version != 2 || got.State != bkwire.Closed || got.Last != 1 {
			t.Errorf("%+v", got)
		}
	})
}

// TestLongTail: a tail longer than what a recovery holds at once is written again whole.
func TestLongTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		l := newLay(c, openOn(bk.Quorum{Ensemble: 3, Write: 3, Ack: 2}, abc(0)))
		for e := range int64(3 * recoveryWindow) {
			l.entry(e, -1, "ab")
		}
		before := bk.SlabBytesInUse()
		r := mustOpen(t, c.client(Options{}), l.id, true)
		if last, _ := r.LastConfirmed(); last != 3*recoveryWindow-1 {
			t.Errorf("recovered to %d", last)
		}
		synctest.Wait()
		if held := bk.SlabBytesInUse() - before; held != 0 {
			t.Errorf("%d bytes of slabs leaked", held)
		}
		for _, i := range quorum.WriteSet(nil, 0, bk.Quorum{Ensemble: 3, Write: 3, Ack: 2}) {
			if got := c.peer(abc(0).Bookies[i]).store.Entries(l.id); got != 3*recoveryWindow {
				t.Errorf("bookie %d has %d entries", i, got)
			}
		}
	})
}

package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/ledger"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/storagetest"
)

// TestConformance runs the ledgers' suite over bookies behind sockets.
func TestConformance(t *testing.T) {
	storagetest.Ledgers(t, func(t *testing.T) bk.Ledgers {
		return &fixedQuorum{newCluster(t, 3).client(ledger.Options{}), triple.Quorum}
	})
}

// fixedQuorum creates every ledger with one quorum.
type fixedQuorum struct {
	*ledger.Client
	q bk.Quorum
}

func (f *fixedQuorum) Create(ctx context.Context, o bk.CreateOptions) (bk.Ledger, error) {
	o.Quorum = f.q
	return f.Client.Create(ctx, o)
}

var triple = bk.CreateOptions{Quorum: bk.Quorum{Ensemble: 3, Write: 3, Ack: 2}, Digest: bk.DigestCRC32C}

func mustCreate(t *testing.T, l bk.Ledgers) bk.Ledger {
	t.Helper()
	w, err := l.Create(ctx, triple)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// numbered is n payloads from first on, of sizes on both sides of what is copied.
func numbered(first, n int) [][]byte {
	list := make([][]byte, n)
	for i := range list {
		list[i] = bytes.Repeat([]byte(fmt.Sprintf("%08d", first+i)), 1+(first+i)%3*700)
	}
	return list
}

func wantEntries(t *testing.T, l bk.Ledger, n int) {
	t.Helper()
	got := storagetest.ReadAll(t, l)
	if len(got) != n {
		t.Fatalf("%d entries, want %d", len(got), n)
	}
	for i, want := range numbered(0, n) {
		if !bytes.Equal(got[i], want) {
			t.Fatalf("entry %d is %.20q, want %.20q", i, got[i], want)
		}
	}
}

// TestBookieCrashes under load: with a fourth bookie the ensemble changes, with three the ledger goes on; no add fails, and
// everything is read back, also from the bookie that came back.
func TestBookieCrashes(t *testing.T) {
	for _, n := range []int{3, 4} {
		t.Run(fmt.Sprint(n, " bookies"), func(t *testing.T) {
			c := newCluster(t, n)
			l := c.client(ledger.Options{Retry: 50 * time.Millisecond, Quarantine: 100 * time.Millisecond})
			w := mustCreate(t, l)
			a := storagetest.NewAdder(t, w)
			total := 0
			more := func(k int) {
				a.Submit(numbered(total, k)...)
				total += k
			}
			more(200)
			victim := c.peers[0]
			for range 3 {
				victim.crash()
				more(200)
				if _, err := a.Wait(); err != nil {
					t.Fatal(err)
				}
				victim.start()
				more(200)
			}
			if acked, err := a.Wait(); err != nil || acked != int64(total-1) {
				t.Fatalf("acknowledged %d of %d, %v", acked, total, err)
			}
			if err := w.Close(ctx); err != nil {
				t.Fatal(err)
			}
			r, err := c.client(ledger.Options{}).Open(ctx, w.ID(), false)
			if err != nil {
				t.Fatal(err)
			}
			wantEntries(t, r, total)
		})
	}
}

// TestTakeover: another client fences the writer and closes the ledger behind everything that was acknowledged; the writer learns it.
func TestTakeover(t *testing.T) {
	c := newCluster(t, 3)
	first, second := c.client(ledger.Options{}), c.client(ledger.Options{})
	w := mustCreate(t, first)
	a := storagetest.NewAdder(t, w)
	a.Submit(numbered(0, 300)...)
	if _, err := a.Wait(); err != nil {
		t.Fatal(err)
	}
	r, err := second.Open(ctx, w.ID(), true)
	if err != nil {
		t.Fatal(err)
	}
	wantEntries(t, r, 300)
	a.Submit(numbered(300, 1)...)
	if _, err := a.Wait(); !errors.Is(err, bk.ErrFenced) {
		t.Errorf("the fenced writer's add: %v", err)
	}
}

// TestStriped: entries that each lie on three of five bookies are read in order.
func TestStriped(t *testing.T) {
	c := newCluster(t, 5)
	l := &fixedQuorum{c.client(ledger.Options{}), bk.Quorum{Ensemble: 5, Write: 3, Ack: 2}}
	w := mustCreate(t, l)
	a := storagetest.NewAdder(t, w)
	a.Submit(numbered(0, 500)...)
	if _, err := a.Wait(); err != nil {
		t.Fatal(err)
	}
	wantEntries(t, w, 500)
}

// TestTakeoverOfBroken: one of three bookies is away when the ledger is taken over; the tail that only its quorum has is kept.
func TestTakeoverOfBroken(t *testing.T) {
	c := newCluster(t, 3)
	first := c.client(ledger.Options{})
	w := mustCreate(t, first)
	a := storagetest.NewAdder(t, w)
	a.Submit(numbered(0, 50)...)
	if _, err := a.Wait(); err != nil {
		t.Fatal(err)
	}
	c.peers[1].crash()
	a.Submit(numbered(50, 50)...)
	if _, err := a.Wait(); err != nil {
		t.Fatal(err)
	}
	r, err := c.client(ledger.Options{}).Open(ctx, w.ID(), true)
	if err != nil {
		t.Fatal(err)
	}
	wantEntries(t, r, 100)
}

// replace ends a bookie for good and starts another one, on an empty volume, at its address. As after a kill, the metadata still shows the
// lost one there.
func (p *peer) replace() *peer {
	p.leave()
	n := &peer{c: p.c, id: p.id + "-new", addr: p.addr, store: storagetest.NewMapStore(p.c.t)}
	p.c.peers = append(p.c.peers, n)
	n.start()
	host, port, _ := net.SplitHostPort(p.addr)
	number, _ := strconv.Atoi(port)
	info := bkwire.ServiceInfo{Endpoints: []bkwire.Endpoint{bkwire.RPCEndpoint(host, number)}}
	if _, err := p.c.meta.Put(ctx, bkwire.AvailablePath+"/"+p.id, info.Append(nil), meta.Any); err != nil {
		p.c.t.Fatal(err)
	}
	return n
}

// TestEmptiedVolumeDoesNotAnswer: a bookie that was born on the emptied volume of another one, at its address, must not be taken for it: it would
// say that entries do not exist which were acknowledged, and its copy of new ones would count twice.
func TestEmptiedVolumeDoesNotAnswer(t *testing.T) {
	c := newCluster(t, 3)
	one := c.client(ledger.Options{Retry: 50 * time.Millisecond, Quarantine: time.Minute})
	w := mustCreate(t, one)
	a := storagetest.NewAdder(t, w)
	a.Submit(numbered(0, 50)...)
	if _, err := a.Wait(); err != nil {
		t.Fatal(err)
	}
	c.peers[1].crash()
	a.Submit(numbered(50, 50)...)
	if _, err := a.Wait(); err != nil {
		t.Fatal(err)
	}
	// The last 50 lie on a and c. c is replaced, a is away, b lacks them.
	born := c.peers[2].replace()
	c.peers[0].crash()
	c.peers[1].start()
	two := c.client(ledger.Options{ReadTimeout: 2 * time.Second})
	if r, err := two.Open(ctx, w.ID(), true); err == nil {
		last, _ := r.LastConfirmed()
		t.Fatalf("with the word of an empty volume the ledger was closed at %d; 99 was acknowledged", last)
	} else if !errors.Is(err, bk.ErrRecovery) {
		t.Errorf("recovery: %v", err)
	}
	if n := born.s.Metrics().OtherID; n == 0 {
		t.Error("nobody was turned away")
	}
	if _, err := born.store.Ledger(w.ID()); !errors.Is(err, bk.ErrNoLedger) {
		t.Errorf("what was meant for another bookie is on the new one: %v", err)
	}
	c.peers[0].start()
	r, err := c.client(ledger.Options{}).Open(ctx, w.ID(), true)
	if err != nil {
		t.Fatal(err)
	}
	wantEntries(t, r, 100)
}

// TestReplacedBookieCountsOnce: a writer whose bookie was replaced at its address has two copies left, and with one of them gone no quorum.
func TestReplacedBookieCountsOnce(t *testing.T) {
	c := newCluster(t, 3)
	l := c.client(ledger.Options{Retry: 50 * time.Millisecond, Quarantine: time.Minute, QuorumWait: 2 * time.Second})
	w := mustCreate(t, l)
	a := storagetest.NewAdder(t, w)
	a.Submit(numbered(0, 50)...)
	if _, err := a.Wait(); err != nil {
		t.Fatal(err)
	}
	born := c.peers[2].replace()
	a.Submit(numbered(50, 50)...)
	if _, err := a.Wait(); err != nil {
		t.Fatal(err)
	}
	c.peers[0].crash()
	c.peers[1].crash()
	a.Submit(numbered(100, 1)...)
	acked, err := a.Wait()
	if err == nil {
		t.Errorf("entry %d was acknowledged with one bookie alive, which has %v", acked, born.id)
	}
}

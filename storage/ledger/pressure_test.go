package ledger

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/storagetest"
)

// TestFullQueueIsWaitedOut: the only bookie's queue is full for a while. Nothing breaks, nothing is lost, the order stays.
func TestFullQueueIsWaitedOut(t *testing.T) {
	for _, q := range []bk.Quorum{{Ensemble: 1, Write: 1, Ack: 1}, {Ensemble: 3, Write: 3, Ack: 2}} {
		synctest.Test(t, func(t *testing.T) {
			before := bk.SlabBytesInUse()
			c := newCluster(t, q.Ensemble)
			l := c.client(Options{})
			var adders []*storagetest.Adder
			for range 2 { // two ledgers share the queues
				w := mustCreate(t, l, bk.CreateOptions{Quorum: q, Digest: bk.DigestCRC32C})
				adders = append(adders, storagetest.NewAdder(t, w))
				defer func() {
					got := storagetest.ReadAll(t, w)
					if len(got) != 100 {
						t.Fatalf("%d entries", len(got))
					}
					for i, p := range got {
						if !bytes.Equal(p, bytes.Repeat([]byte{byte(i)}, 64<<10)) {
							t.Errorf("entry %d is not what was added", i)
						}
					}
					if held := bk.SlabBytesInUse() - before; held != 0 {
						t.Errorf("%d bytes of slabs leaked", held)
					}
				}()
			}
			for _, id := range c.order {
				c.peer(id).store.Hold()
				c.peer(id).store.SetSyncTime(5 * time.Millisecond)
			}
			for i := range 100 { // six queues each
				for _, a := range adders {
					a.Submit(bytes.Repeat([]byte{byte(i)}, 64<<10))
				}
			}
			time.Sleep(5 * time.Second)
			for _, id := range c.order {
				c.peer(id).store.Unhold()
			}
			for _, a := range adders {
				if acked, err := a.Wait(); err != nil || acked != 99 {
					t.Fatalf("acknowledged up to %d, %v", acked, err)
				}
			}
			synctest.Wait()
		})
	}
}

// TestQueueThatStaysFull: a bookie that never has room counts as failed after the add time-out.
func TestQueueThatStaysFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 2)
		full := c.peer("bookie-a").store
		w := mustCreate(t, c.client(Options{AddTimeout: 5 * time.Second}), storagetest.LedgerOptions())
		a := storagetest.NewAdder(t, w)
		added(t, w, a, texts("entry", 0, 2)...)
		synctest.Wait()
		full.Fail = func(*bk.Record) bk.Code { return bk.ErrTooMany }
		begin := time.Now()
		added(t, w, a, texts("entry", 2, 5)...)
		if took := time.Since(begin); took < 5*time.Second || took > 6*time.Second {
			t.Errorf("replaced after %v", took)
		}
		wantSegments(t, c.metadata(w.ID()), "0:a", "2:b")
		c.kill("bookie-b")
		a.Submit(texts("entry", 5, 6)...)
		if _, err := a.Wait(); !errors.Is(err, bk.ErrNotEnough) {
			t.Error(err)
		}
	})
}

// TestCloseWithWaitingAdds: adds that wait for room fail with the close, like all others.
func TestCloseWithWaitingAdds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1)
		w := mustCreate(t, c.client(Options{}), storagetest.LedgerOptions())
		a := storagetest.NewAdder(t, w)
		c.peer("bookie-a").store.Hold()
		for range 40 {
			a.Submit(make([]byte, 64<<10))
		}
		time.Sleep(time.Second)
		if err := w.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Wait(); !errors.Is(err, bk.ErrClosed) {
			t.Error(err)
		}
		c.peer("bookie-a").store.Unhold()
	})
}

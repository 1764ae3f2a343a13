package ledger

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/bookie"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/memory"
	"github.com/strobemq/strobe/storage/segment"
	"github.com/strobemq/strobe/storage/storagetest"
	"github.com/strobemq/strobe/storage/vfs"
)

// life is the metadata store of one life of the process: it takes nothing any more once that life is over.
type life struct {
	*memory.Store
	over atomic.Bool
}

func (l *life) Put(ctx context.Context, key string, data []byte, expect meta.Version) (meta.Version, error) {
	if l.over.Load() {
		return 0, meta.ErrClosed
	}
	return l.Store.Put(ctx, key, data, expect)
}

// TestPowerLoss cuts the power of all bookies at once under load, after a random number of acknowledgements, over the real log: what was
// acknowledged before is recovered, and a fence that was answered still holds.
func TestPowerLoss(t *testing.T) {
	total := int64(0)
	for seed := range uint64(12) {
		n := 1 + int(seed%2)*2
		rng := rand.New(rand.NewPCG(seed, 7))
		m := memory.New()
		t.Cleanup(func() { m.Close() })
		if _, err := Format(ctx, m); err != nil {
			t.Fatal(err)
		}
		fs := vfs.NewMem()
		var now *life
		start := func(fs *vfs.Mem) (*Client, func()) {
			now = &life{Store: m}
			m := now
			bookies := map[string]*bookie.Bookie{}
			for i := range n {
				b, err := bookie.Open(ctx, filepath.Join("/", fmt.Sprint(i)), bookie.Options{Meta: m, FS: fs, Segment: segment.Options{SegmentBytes: 64 << 10, ReserveBytes: -1}})
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				bookies[b.ID()] = b
			}
			r, err := NewRegistry(ctx, m, func(id string, _ bkwire.ServiceInfo) (BookieConn, error) { return bookies[id].Local(), nil })
			if err != nil {
				t.Fatal(err)
			}
			l := New(m, r, Options{})
			return l, func() {
				err := errors.Join(l.Close(), r.Close())
				for _, b := range bookies {
					err = errors.Join(err, b.Close())
				}
				if err != nil {
					t.Error(err)
				}
			}
		}
		l, stop := start(fs)
		w := mustCreate(t, l, bk.CreateOptions{Quorum: bk.Quorum{Ensemble: n, Write: n, Ack: n/2 + 1}, Digest: bk.DigestCRC32C})
		a := storagetest.NewAdder(t, w)
		fenced := mustCreate(t, l, storagetest.LedgerOptions())
		added(t, fenced, storagetest.NewAdder(t, fenced), []byte("a"))
		if _, err := l.bookies.(*Registry).conns[fenced.members[0].id].conn.Read(ctx, bk.BookieRead{
			Ledger: fenced.ID(), First: bk.NoEntry, Last: bk.NoEntry, Flags: bk.FlagFence, MasterKey: fenced.masterKey,
		}); err != nil {
			t.Fatal(err)
		}

		all := texts("entry", 0, 3000)
		cut := make(chan struct{})
		go func() {
			defer close(cut)
			for i := range all {
				a.Submit(all[i])
			}
		}()
		for some := rng.Int64N(300) - 1; a.Acked() < some; runtime.Gosched() {
		}
		acked := a.Acked()
		now.over.Store(true)
		left := fs.CrashClone(vfs.Crash{Rand: rng, Keep: rng.Float64(), Torn: true})
		<-cut
		stop()
		a.Wait()

		l, stop = start(left)
		r := mustOpen(t, l, w.ID(), true)
		last, _ := r.LastConfirmed()
		total += acked + 1
		if last < acked {
			t.Errorf("seed %d: entry %d was acknowledged, recovered up to %d", seed, acked, last)
		}
		wantAll(t, r, all[:last+1])
		late := &bk.BookieAdd{Ledger: fenced.ID(), Entry: 1, MasterKey: fenced.masterKey, Head: []byte("late")}
		done := make(addsDone, 1)
		late.Done = done
		conn, err := l.bookies.Conn(fenced.md.Segments[0].Bookies[0])
		if err != nil {
			t.Fatal(err)
		}
		if conn.Add([]*bk.BookieAdd{late}); <-done != bk.ErrFenced {
			t.Errorf("seed %d: the fence did not survive", seed)
		}
		stop()
	}
	if total == 0 {
		t.Error("no entry was ever acknowledged before the cut")
	}
}

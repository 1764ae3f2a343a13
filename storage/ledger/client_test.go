package ledger

import (
	"context"
	"fmt"
	"testing"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/bookie"
	"github.com/strobemq/strobe/storage/meta/memory"
	"github.com/strobemq/strobe/storage/segment"
	"github.com/strobemq/strobe/storage/storagetest"
	"github.com/strobemq/strobe/storage/vfs"
)

// TestConformance runs the suite over one and over several in-process bookies.
func TestConformance(t *testing.T) {
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprint(n, " bookies"), func(t *testing.T) {
			storagetest.Ledgers(t, func(t *testing.T) bk.Ledgers {
				return &fixedQuorum{newCluster(t, n).client(Options{}), bk.Quorum{Ensemble: n, Write: n, Ack: n/2 + 1}}
			})
		})
	}
	t.Run("on the log", func(t *testing.T) {
		storagetest.Ledgers(t, func(t *testing.T) bk.Ledgers {
			m := memory.New()
			t.Cleanup(func() { m.Close() })
			if _, err := Format(ctx, m); err != nil {
				t.Fatal(err)
			}
			b, err := bookie.Open(ctx, "/b", bookie.Options{Meta: m, FS: vfs.NewMem(), Segment: segment.Options{SegmentBytes: 1 << 20, ReserveBytes: -1}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { b.Close() })
			r, err := NewRegistry(ctx, m, func(string, bkwire.ServiceInfo) (BookieConn, error) { return b.Local(), nil })
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { r.Close() })
			l := New(m, r, Options{})
			t.Cleanup(func() { l.Close() })
			return l
		})
	})
	t.Run("striped over 5", func(t *testing.T) {
		storagetest.Ledgers(t, func(t *testing.T) bk.Ledgers {
			return &fixedQuorum{newCluster(t, 5).client(Options{}), bk.Quorum{Ensemble: 5, Write: 3, Ack: 2}}
		})
	})
}

// fixedQuorum creates every ledger with one quorum.
type fixedQuorum struct {
	*Client
	q bk.Quorum
}

func (f *fixedQuorum) Create(ctx context.Context, o bk.CreateOptions) (bk.Ledger, error) {
	o.Quorum = f.q
	return f.Client.Create(ctx, o)
}

package ledger

import (
	"context"
	"fmt"
	"testing"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/storagetest"
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

package ledger

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"

	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
)

// ids takes ledger ids from the counters that Apache's clients of the same cluster use (interop §4.5): short ids up to
// 2^31-2 from /ledgers/idgen; then, or when /ledgers/idgen-long exists, long ids, whose upper part is at least 1.
type ids struct {
	mu     sync.Mutex
	known  bool // whether /ledgers/idgen-long was looked for
	high   int64
	isLong bool
}

// lowBits is how many bits of a long id its counter gives.
const lowBits = 32

func (g *ids) next(ctx context.Context, store meta.Store) (int64, error) {
	high, isLong, err := g.mode(ctx, store)
	if err != nil {
		return 0, err
	}
	if !isLong {
		n, err := store.Sequence(ctx, bkwire.ShortIDsPath)
		if err != nil {
			return 0, err
		}
		if 0 <= n && n < bkwire.MaxShortID {
			return n, nil
		}
		if _, err := store.Put(ctx, bkwire.LongIDsPath, nil, meta.Absent); err != nil && !errors.Is(err, meta.ErrConflict) {
			return 0, err
		}
		g.mu.Lock()
		g.isLong = true
		high = g.high
		g.mu.Unlock()
	}
	for {
		n, err := store.Sequence(ctx, bkwire.LongIDPath(high))
		if err != nil {
			return 0, err
		}
		if 0 <= n && n < 1<<lowBits {
			return high<<lowBits | n, nil
		}
		high++
		g.mu.Lock()
		g.high = max(g.high, high)
		g.mu.Unlock()
	}
}

// mode tells which kind of ids to take; at the first calls it asks the store, with no lock held: whoever takes ids meanwhile must not
// wait for somebody else's answer longer than its own ctx says.
func (g *ids) mode(ctx context.Context, store meta.Store) (high int64, isLong bool, err error) {
	g.mu.Lock()
	high, isLong, known := g.high, g.isLong, g.known
	g.mu.Unlock()
	if known {
		return high, isLong, nil
	}
	_, err = store.Get(ctx, bkwire.LongIDsPath)
	if err != nil && !errors.Is(err, meta.ErrNotFound) {
		return 0, false, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.known { // else another call was first, and may have come further since
		g.known, g.isLong, g.high = true, err == nil, 1
	}
	return g.high, g.isLong, nil
}

// newToken is a creation token: by it a creator knows its own node again when the answer to its creation was lost.
func newToken() int64 { return 1 + rand.Int64N(1<<62) }

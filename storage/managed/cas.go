package managed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strobemq/strobe/storage/meta"
)

// swap sets key to data if its version is expect. An unknown result is followed up until it is known: the node is read again, and
// it is ours if it holds exactly our bytes (they name a new ledger or hold a time, so nobody else writes the same). meta.ErrConflict
// means that somebody else's value is there.
func (m *Manager) swap(ctx context.Context, key string, data []byte, expect meta.Version) (meta.Version, error) {
	pause := 10 * time.Millisecond
	unknown := false
	for {
		v, err := m.meta.Put(ctx, key, data, expect)
		switch {
		case err == nil:
			return v, nil
		case errors.Is(err, meta.ErrConflict) && unknown:
			cur, gerr := m.meta.Get(ctx, key)
			switch {
			case gerr == nil && bytes.Equal(cur.Data, data):
				return cur.Version, nil
			case gerr == nil || errors.Is(gerr, meta.ErrNotFound):
				return 0, err
			}
		case errors.Is(err, meta.ErrUnknown):
			unknown = true
		default:
			return 0, fmt.Errorf("write %s: %w", key, err)
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("write %s: %w", key, meta.ErrUnknown)
		case <-time.After(pause):
		}
		pause = min(2*pause, time.Second)
	}
}

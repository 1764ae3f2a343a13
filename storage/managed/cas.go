package managed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strobemq/strobe/storage/meta"
)

// slot is a metadata key that one owner writes by compare-and-set. Its calls must not overlap, and name the same key.
type slot struct {
	version meta.Version
	// unsure holds the values of writes whose result never became known. At most one of them was or will be applied, because
	// all of them expect version.
	unsure [][]byte
}

// maxUnsure bounds how many unknown writes are remembered; a write beyond it that turns out to be applied looks like another owner's,
// which costs a reload and nothing else.
const maxUnsure = 8

// write sets the value if nobody else did since the last write. meta.ErrConflict: somebody did. meta.ErrUnknown: ctx ended first;
// the next write finds out what became of this one. Values differ from write to write, as they name ledgers or hold a
// time, so that finding our bytes means that our write was applied.
func (s *slot) write(ctx context.Context, m *Manager, key string, data []byte) error {
	tried := false // data may have been applied
	pause := 10 * time.Millisecond
	for {
		m.count.nodes.Add(1)
		v, err := m.meta.Put(ctx, key, data, s.version)
		if errors.Is(err, meta.ErrConflict) && (tried || len(s.unsure) > 0) {
			var cur meta.Value
			cur, err = m.meta.Get(ctx, key)
			switch {
			case errors.Is(err, meta.ErrNotFound), err == nil && !s.ours(cur.Data) && !(tried && bytes.Equal(cur.Data, data)):
				return fmt.Errorf("write %s: %w", key, meta.ErrConflict)
			case err == nil:
				s.version, s.unsure = cur.Version, nil
				if bytes.Equal(cur.Data, data) {
					return nil
				}
				continue // an earlier write of ours had been applied after all
			}
		}
		switch {
		case err == nil:
			s.version, s.unsure = v, nil
			return nil
		case errors.Is(err, meta.ErrUnknown), ctx.Err() != nil:
			tried = true
		case errors.Is(err, meta.ErrConflict) || !tried:
			return fmt.Errorf("write %s: %w", key, err)
		}
		select {
		case <-ctx.Done():
			s.forgetOldest()
			s.unsure = append(s.unsure, bytes.Clone(data))
			return fmt.Errorf("write %s: %w", key, meta.ErrUnknown)
		case <-time.After(pause):
		}
		pause = min(2*pause, time.Second)
	}
}

func (s *slot) ours(data []byte) bool {
	for _, u := range s.unsure {
		if bytes.Equal(u, data) {
			return true
		}
	}
	return false
}

func (s *slot) forgetOldest() {
	if len(s.unsure) >= maxUnsure {
		s.unsure = s.unsure[1:]
	}
}

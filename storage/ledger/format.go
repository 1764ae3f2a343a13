package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
)

// Format makes what a cluster's metadata must hold before its first bookie starts: an instance id, which every cookie
// repeats, and the layout that Apache's tools look at. What is there stays. It returns the instance id.
//
// Only whoever may found a cluster calls it. A bookie does not: one that is pointed at an empty or foreign store by
// mistake must find no instance id there, and stop.
func Format(ctx context.Context, store meta.Store) (instance string, err error) {
	v, err := store.Get(ctx, bkwire.InstancePath)
	if err == nil {
		return string(v.Data), nil
	}
	if !errors.Is(err, meta.ErrNotFound) {
		return "", fmt.Errorf("instance id: %w", err)
	}
	changes := []meta.Change{
		{Key: bkwire.LayoutPath, Data: []byte(bkwire.Layout), Expect: meta.Absent},
		{Key: bkwire.InstancePath, Data: []byte(uuid.NewString()), Expect: meta.Absent}, // last: it says that the rest is there
	}
	b, ok := store.(meta.Batcher)
	if ok {
		_, err = b.Batch(ctx, changes)
	}
	if !ok || err != nil { // part of it may be there, by somebody else or by ourselves
		for _, c := range changes {
			_, err = store.Put(ctx, c.Key, c.Data, c.Expect)
			if err != nil && !errors.Is(err, meta.ErrConflict) && !errors.Is(err, meta.ErrUnknown) {
				return "", fmt.Errorf("format metadata: %w", err)
			}
		}
	}
	if v, err = store.Get(ctx, bkwire.InstancePath); err != nil {
		return "", fmt.Errorf("format metadata: %w", err)
	}
	return string(v.Data), nil
}

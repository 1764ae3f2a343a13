package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
)

// Format makes what a cluster's metadata must hold before its first bookie starts: an instance id, which every cookie
// repeats, and the layout that Apache's tools look at. What is there stays. It returns the instance id.
//
// Only whoever may found a cluster calls it. A bookie does not: one that is pointed at an empty or foreign store by
// mistake must find no instance id there, and stop.
func Format(ctx context.Context, store meta.Store) (instance string, err error) {
	instance, err = Instance(ctx, store)
	if !errors.Is(err, meta.ErrNotFound) {
		return instance, err
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
	if instance, err = Instance(ctx, store); err != nil {
		return "", fmt.Errorf("format metadata: %w", err)
	}
	return instance, nil
}

// Instance is the instance id of the cluster whose metadata store has. The error is meta.ErrNotFound when nobody founded one, and a fault when
// its ledgers are laid out in a way that this version does not know. A store without a layout is Pulsar's: its driver for BookKeeper
// writes none, and lays ledgers out as here.
func Instance(ctx context.Context, store meta.Store) (string, error) {
	v, err := store.Get(ctx, bkwire.InstancePath)
	if err != nil {
		return "", fmt.Errorf("instance id: %w", err)
	}
	layout, err := store.Get(ctx, bkwire.LayoutPath)
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return string(v.Data), nil
	case err != nil:
		return "", fmt.Errorf("layout: %w", err)
	}
	if err := bkwire.CheckLayout(layout.Data); err != nil {
		return "", fault.ClusterLayout.New("%s: %w", bkwire.LayoutPath, err)
	}
	return string(v.Data), nil
}

package local

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/strobemq/strobe/storage/meta"
)

// Put implements meta.Store.
func (s *Store) Put(ctx context.Context, key string, data []byte, expect meta.Version) (meta.Version, error) {
	versions, err := s.Batch(ctx, []meta.Change{{Key: key, Data: data, Expect: expect}})
	if err != nil {
		return 0, err
	}
	return versions[0], nil
}

// Delete implements meta.Store.
func (s *Store) Delete(ctx context.Context, key string, expect meta.Version) error {
	_, err := s.Batch(ctx, []meta.Change{{Key: key, Delete: true, Expect: expect}})
	return err
}

// Batch implements meta.Batcher: one write and one sync, shared with what others change at the same time.
func (s *Store) Batch(ctx context.Context, changes []meta.Change) ([]meta.Version, error) {
	if err := meta.CheckBatch(changes); err != nil || len(changes) == 0 {
		return nil, err
	}
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.busy.Done()
	keys := make([]string, len(changes))
	for i, c := range changes {
		keys[i] = c.Key
	}
	if err := s.acquire(ctx, keys); err != nil {
		return nil, err
	}
	defer s.release(keys)
	return s.change(changes)
}

// acquire waits until nobody changes any of keys and takes them all.
func (s *Store) acquire(ctx context.Context, keys []string) error {
	for {
		s.mu.Lock()
		if s.failed != nil {
			s.mu.Unlock()
			return s.failed
		}
		var other *change
		for _, key := range keys {
			if other = s.changing[key]; other != nil {
				break
			}
		}
		if other == nil {
			c := &change{done: make(chan struct{})}
			for _, key := range keys {
				s.changing[key] = c
			}
			s.mu.Unlock()
			return nil
		}
		s.mu.Unlock()
		select {
		case <-other.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Store) release(keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.changing[keys[0]]
	for _, key := range keys {
		delete(s.changing, key)
	}
	close(c.done)
}

// change checks what is expected of the keys, which the caller holds, and makes the changes durable.
func (s *Store) change(changes []meta.Change) ([]meta.Version, error) {
	batch := s.db.NewBatch()
	defer batch.Close()
	versions := make([]meta.Version, len(changes))
	var memory []int // indexes of changes to ephemeral values
	for i, c := range changes {
		s.mu.Lock()
		e, isEphemeral := s.ephemerals[c.Key]
		s.version++
		version := s.version
		s.mu.Unlock()
		have := e.Version
		if !isEphemeral {
			switch v, err := s.read(c.Key); {
			case errors.Is(err, meta.ErrNotFound):
				have = meta.Absent
			case err != nil:
				return nil, err
			default:
				have = v.Version
			}
		}
		if err := meta.Expected(c, have); err != nil {
			return nil, err
		}
		if !c.Delete {
			versions[i] = version
		}
		var err error
		switch {
		case isEphemeral:
			memory = append(memory, i)
		case c.Delete:
			err = batch.Delete(valueKey(c.Key), nil)
		default:
			err = setValue(batch, c.Key, version, c.Data)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(memory) < len(changes) {
		if err := s.commit(batch); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commits++
	for i, c := range changes {
		if !slices.Contains(memory, i) || s.changeEphemeralLocked(c, versions[i]) {
			s.watchers.Publish(meta.Event{Key: c.Key, Deleted: c.Delete})
		}
	}
	return versions, nil
}

// commit writes batch and waits for a sync behind it. An error is sticky, and whether the batch survives is not known.
func (s *Store) commit(batch *pebble.Batch) error {
	err := s.db.ApplyNoSyncWait(batch, pebble.Sync)
	if err == nil {
		err = batch.SyncWait()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", meta.ErrUnknown, s.fail(err))
	}
	return nil
}

// Package memory is the metadata store in memory, for tests and for whatever need not survive the process. It behaves as the
// durable stores do, except that it is gone when closed.
package memory

import (
	"context"
	"sync"

	"github.com/strobemq/strobe/storage/meta"
)

// Store is a meta.Store and meta.Batcher in memory. Make it with New.
type Store struct {
	watchers meta.Watchers

	mu        sync.Mutex
	root      node
	versions  meta.Version // of the last change; never given twice, so that a deleted and created key differs
	sequences map[string]int64
	sessions  map[*session]bool
	closed    bool
}

// New returns an empty store.
func New() *Store {
	return &Store{sequences: map[string]int64{}, sessions: map[*session]bool{}}
}

func (s *Store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return meta.ErrClosed
	}
	return nil
}

// Get implements meta.Store.
func (s *Store) Get(ctx context.Context, key string) (meta.Value, error) {
	if err := meta.CheckKey(key); err != nil {
		return meta.Value{}, err
	}
	if err := s.begin(ctx); err != nil {
		return meta.Value{}, err
	}
	defer s.mu.Unlock()
	n := s.root.find(key)
	if n == nil || n.value == nil {
		return meta.Value{}, meta.ErrNotFound
	}
	v := n.value.Value
	v.Data = append([]byte(nil), v.Data...)
	return v, nil
}

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

// Batch implements meta.Batcher.
func (s *Store) Batch(ctx context.Context, changes []meta.Change) ([]meta.Version, error) {
	if err := meta.CheckBatch(changes); err != nil {
		return nil, err
	}
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	for _, c := range changes {
		have := meta.Absent
		if n := s.root.find(c.Key); n != nil && n.value != nil {
			have = n.value.Version
		}
		if err := meta.Expected(c, have); err != nil {
			return nil, err
		}
	}
	versions := make([]meta.Version, len(changes))
	for i, c := range changes {
		if c.Delete {
			s.deleteLocked(c.Key)
		} else {
			versions[i] = s.putLocked(c.Key, c.Data, nil)
		}
	}
	return versions, nil
}

func (s *Store) putLocked(key string, data []byte, owner *session) meta.Version {
	s.versions++
	n := s.root.make(key)
	if n.value != nil {
		owner = n.value.owner
	}
	n.value = &value{
		Value: meta.Value{Data: append([]byte(nil), data...), Version: s.versions, Ephemeral: owner != nil},
		owner: owner,
	}
	if owner != nil {
		owner.keys[key] = true
	}
	s.watchers.Publish(meta.Event{Key: key})
	return s.versions
}

func (s *Store) deleteLocked(key string) {
	if n := s.root.find(key); n.value.owner != nil {
		delete(n.value.owner.keys, key)
	}
	s.root.remove(key)
	s.watchers.Publish(meta.Event{Key: key, Deleted: true})
}

// List implements meta.Store.
func (s *Store) List(ctx context.Context, key string) ([]string, error) {
	if err := meta.CheckPrefix(key); err != nil {
		return nil, err
	}
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	n := &s.root
	if key != "/" {
		n = s.root.find(key)
	}
	return n.names(), nil
}

// Watch implements meta.Store.
func (s *Store) Watch(ctx context.Context, prefix string, on func(meta.Event)) error {
	return s.watchers.Watch(ctx, prefix, on)
}

// Sequence implements meta.Store.
func (s *Store) Sequence(ctx context.Context, path string) (int64, error) {
	if err := meta.CheckKey(path); err != nil {
		return 0, err
	}
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	n := s.sequences[path]
	s.sequences[path] = n + 1
	return n, nil
}

// Close ends sessions and watches. It must not be called from a watch.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	for x := range s.sessions {
		x.endLocked()
	}
	s.mu.Unlock()
	s.watchers.Close()
	return nil
}

package local

import (
	"context"
	"errors"

	"github.com/strobemq/strobe/storage/meta"
)

// session holds values in memory. It ends with Close, its own or the store's; the process's end needs no cleaning up.
type session struct {
	store *Store
	lost  chan struct{}

	// Guarded by the store's lock:
	keys  map[string]bool
	ended bool
}

// Session implements meta.Store.
func (s *Store) Session(ctx context.Context) (meta.Session, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.busy.Done()
	x := &session{store: s, lost: make(chan struct{}), keys: map[string]bool{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, meta.ErrClosed
	}
	s.sessions[x] = true
	return x, nil
}

func (x *session) PutEphemeral(ctx context.Context, key string, data []byte) (meta.Version, error) {
	if err := meta.CheckKey(key); err != nil {
		return 0, err
	}
	if err := meta.CheckValue(key, data); err != nil {
		return 0, err
	}
	s := x.store
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.busy.Done()
	keys := []string{key}
	if err := s.acquire(ctx, keys); err != nil {
		return 0, err
	}
	defer s.release(keys)
	if _, err := s.read(key); err == nil {
		return 0, meta.ErrConflict
	} else if !errors.Is(err, meta.ErrNotFound) {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.ended {
		return 0, meta.ErrClosed
	}
	if _, ok := s.ephemerals[key]; ok {
		return 0, meta.ErrConflict
	}
	s.version++
	s.putEphemeralLocked(key, data, s.version, x)
	s.watchers.Publish(meta.Event{Key: key})
	return s.version, nil
}

func (s *Store) putEphemeralLocked(key string, data []byte, version meta.Version, owner *session) {
	s.ephemerals[key] = ephemeral{
		Value: meta.Value{Data: append([]byte(nil), data...), Version: version, Ephemeral: true},
		owner: owner,
	}
	owner.keys[key] = true
}

// changeEphemeralLocked makes a checked change to an ephemeral value, which stays one. It reports false when the value is gone
// meanwhile: sessions end without waiting for whoever changes their keys, and their events come last.
func (s *Store) changeEphemeralLocked(c meta.Change, version meta.Version) bool {
	e, ok := s.ephemerals[c.Key]
	switch {
	case !ok:
		return false
	case c.Delete:
		delete(s.ephemerals, c.Key)
		delete(e.owner.keys, c.Key)
	default:
		s.putEphemeralLocked(c.Key, c.Data, version, e.owner)
	}
	return true
}

func (x *session) Lost() <-chan struct{} { return x.lost }

// endLocked removes the session's values, then says that it is lost.
func (x *session) endLocked() {
	if x.ended {
		return
	}
	x.ended = true
	for key := range x.keys {
		delete(x.store.ephemerals, key)
		x.store.watchers.Publish(meta.Event{Key: key, Deleted: true})
	}
	delete(x.store.sessions, x)
	close(x.lost)
}

func (x *session) Close() error {
	x.store.mu.Lock()
	defer x.store.mu.Unlock()
	x.endLocked()
	return nil
}

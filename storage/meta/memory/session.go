package memory

import (
	"context"

	"github.com/strobemq/strobe/storage/meta"
)

type session struct {
	store *Store
	lost  chan struct{}

	// Guarded by the store's lock:
	keys  map[string]bool
	ended bool
}

// Session implements meta.Store. A session is lost only through Lose and Close.
func (s *Store) Session(ctx context.Context) (meta.Session, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	x := &session{store: s, keys: map[string]bool{}, lost: make(chan struct{})}
	s.sessions[x] = true
	return x, nil
}

// Lose ends all sessions as a store does whose client was silent too long.
func (s *Store) Lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for x := range s.sessions {
		x.endLocked()
	}
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
	defer s.mu.Unlock()
	if x.ended {
		return 0, meta.ErrClosed
	}
	if n := s.root.find(key); n != nil && n.value != nil {
		return 0, meta.ErrConflict
	}
	return s.putLocked(key, data, x), nil
}

func (x *session) Lost() <-chan struct{} { return x.lost }

// endLocked removes the session's values, then says that it is lost.
func (x *session) endLocked() {
	if x.ended {
		return
	}
	x.ended = true
	for key := range x.keys {
		x.store.deleteLocked(key)
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

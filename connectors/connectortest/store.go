package connectortest

import (
	"bytes"
	"context"
	"errors"
	"sync"
)

// Store is connectors.Checkpoints in memory, with faults.
type Store struct {
	// OnSave, when not nil, is asked at every Save, which it may keep waiting, with its number from 1 on and the value.
	OnSave func(n int, value []byte) SaveFault

	mu    sync.Mutex
	value []byte
	saves int
	dead  bool
}

// SaveFault is what goes wrong with one Save.
type SaveFault int

const (
	SaveWell SaveFault = iota
	// SaveNothing refuses: an error, and nothing stored.
	SaveNothing
	// SaveUnknown stores and still says that it failed, like a connection that breaks before the answer.
	SaveUnknown
)

var (
	errRefused = errors.New("the test refuses to store")
	errDead    = errors.New("the process is dead")
)

// Load returns what was stored last.
func (s *Store) Load(context.Context) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return nil, errDead
	}
	return bytes.Clone(s.value), nil
}

// Save stores, unless a fault says otherwise.
func (s *Store) Save(ctx context.Context, value []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	s.saves++
	n, dead := s.saves, s.dead
	s.mu.Unlock()
	if dead {
		return errDead
	}
	fault := SaveWell
	if s.OnSave != nil {
		fault = s.OnSave(n, value)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.dead && fault != SaveUnknown:
		return errDead // it died while it was asked
	case fault == SaveNothing:
		return errRefused
	}
	s.value = bytes.Clone(value)
	if fault == SaveUnknown {
		return errRefused
	}
	return nil
}

// Kill makes every later call fail: what a process that is killed could still have stored is stored, and nothing after.
func (s *Store) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = true
}

// Survivor is a new process's store with what this one stored.
func (s *Store) Survivor() *Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &Store{value: bytes.Clone(s.value)}
}

// Value is what is stored.
func (s *Store) Value() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.value)
}

// Set stores value as an earlier process would have.
func (s *Store) Set(value []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.value = bytes.Clone(value)
}

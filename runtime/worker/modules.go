package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"

	"github.com/strobemq/strobe/runtime/functions"
)

// modules stands between uploads and Artifacts, which keeps one copy of each content whoever uses it: it decides when a copy is unused. Two
// promises make that safe. What is stored and freed of one content goes one after the other; and a content is held from its upload until
// the spec that names it is stored, so that a deletion that looks between the two leaves it alone.
//
// They hold within one process, which is where the one worker is.
type modules struct {
	artifacts Artifacts
	store     store
	log       *slog.Logger

	mu   sync.Mutex
	busy map[string]chan struct{} // contents that are being stored or freed; closed at the end of it
	held map[string]int           // contents whose uploads no spec names yet
}

func newModules(a Artifacts, s store, log *slog.Logger) *modules {
	return &modules{artifacts: a, store: s, log: log, busy: map[string]chan struct{}{}, held: map[string]int{}}
}

// hold stores a module. It stays until letGo, whatever is deleted meanwhile, and after it as long as a spec names it.
func (m *modules) hold(ctx context.Context, data []byte) (functions.Artifact, error) {
	sum := sha256.Sum256(data)
	content := hex.EncodeToString(sum[:])
	unlock, err := m.lock(ctx, content)
	if err != nil {
		return functions.Artifact{}, err
	}
	defer unlock()
	a, err := m.artifacts.Put(ctx, data)
	if err != nil {
		return functions.Artifact{}, err
	}
	m.mu.Lock()
	m.held[content]++
	m.mu.Unlock()
	return a, nil
}

// letGo ends a hold.
func (m *modules) letGo(a functions.Artifact) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held[a.SHA256]--; m.held[a.SHA256] == 0 {
		delete(m.held, a.SHA256)
	}
}

// free deletes a module unless somebody holds it, or a deployment that is not being deleted names it.
func (m *modules) free(ctx context.Context, a functions.Artifact) error {
	unlock, err := m.lock(ctx, a.SHA256)
	if err != nil {
		return err
	}
	defer unlock()
	m.mu.Lock()
	held := m.held[a.SHA256] > 0
	m.mu.Unlock()
	if held {
		return nil // whoever holds it frees it if it comes to nothing
	}
	all, err := m.store.all(ctx)
	if err != nil {
		return err
	}
	if len(all.unreadable) > 0 {
		return nil // one of those may name it; the next start looks again
	}
	for _, s := range all.specs {
		if !s.Deleting && s.Artifact != nil && s.Artifact.SHA256 == a.SHA256 {
			return nil
		}
	}
	return m.artifacts.Delete(ctx, a)
}

// sweep frees what a crash left: modules that were being uploaded or deleted, and those whose spec was never stored.
func (m *modules) sweep(ctx context.Context) error {
	list, err := m.artifacts.List(ctx)
	for _, a := range list {
		err = errors.Join(err, m.free(ctx, a))
	}
	return err
}

func (m *modules) lock(ctx context.Context, content string) (unlock func(), err error) {
	for {
		m.mu.Lock()
		other := m.busy[content]
		if other == nil {
			m.busy[content] = make(chan struct{})
			m.mu.Unlock()
			return func() {
				m.mu.Lock()
				defer m.mu.Unlock()
				close(m.busy[content])
				delete(m.busy, content)
			}, nil
		}
		m.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

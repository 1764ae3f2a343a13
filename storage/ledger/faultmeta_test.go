package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/memory"
)

// faultMeta is a metadata store whose answers can be lost, and which can be away.
type faultMeta struct {
	*memory.Store
	mu sync.Mutex
	// put decides before a Put: whether it happens, and what is answered (nil: what happened).
	put func(key string, data []byte) (happens bool, answer error)
	// slow is how long a call takes; nil: no time.
	slow func() time.Duration
	// strays decides whether a Put that is sent while the store is away happens when it is back, long after its answer.
	strays func() bool

	back  chan struct{} // closed when it is back; nil: it is there
	late  []func()      // strayed
	calls int           // since it went
}

// callTime is how long a call waits for a store that is away.
const callTime = 30 * time.Second

// leave makes the store go away, as a quorum of etcd does: calls wait, and fail in the end.
func (m *faultMeta) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.back == nil {
		m.back, m.calls = make(chan struct{}), 0
	}
}

// comeBack ends that. What strayed happens some time later.
func (m *faultMeta) comeBack() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.back == nil {
		return
	}
	close(m.back)
	m.back = nil
	for _, put := range m.late {
		go put()
	}
	m.late = nil
}

var errNoMeta = errors.New("nobody answers")

// wait returns when the store has the call, or why it gets none.
func (m *faultMeta) wait(ctx context.Context) error {
	m.mu.Lock()
	back, slow := m.back, m.slow
	m.calls++
	m.mu.Unlock()
	if slow != nil {
		time.Sleep(slow())
	}
	if back == nil {
		return nil
	}
	t := time.NewTimer(callTime)
	defer t.Stop()
	select {
	case <-back:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return errNoMeta
	}
}

func (m *faultMeta) Get(ctx context.Context, key string) (meta.Value, error) {
	if err := m.wait(ctx); err != nil {
		return meta.Value{}, err
	}
	return m.Store.Get(ctx, key)
}

func (m *faultMeta) Put(ctx context.Context, key string, data []byte, expect meta.Version) (meta.Version, error) {
	if err := m.wait(ctx); err != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.strays != nil && m.strays() {
			data, slow := bytes.Clone(data), m.slow
			late := func() {
				if slow != nil {
					time.Sleep(slow())
				}
				m.Store.Put(context.Background(), key, data, expect)
			}
			if m.late = append(m.late, late); m.back == nil { // its caller lost patience in the very moment
				m.late = nil
				go late()
			}
		}
		return 0, fmt.Errorf("%w: %w", meta.ErrUnknown, err)
	}
	m.mu.Lock()
	decide := m.put
	m.mu.Unlock()
	if decide == nil {
		return m.Store.Put(ctx, key, data, expect)
	}
	happens, answer := decide(key, data)
	if !happens {
		return 0, answer
	}
	v, err := m.Store.Put(ctx, key, data, expect)
	if answer != nil {
		return 0, answer
	}
	return v, err
}

func (m *faultMeta) onPut(f func(key string, data []byte) (bool, error)) {
	m.mu.Lock()
	m.put = f
	m.mu.Unlock()
}

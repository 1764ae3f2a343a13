package sim

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/memory"
)

// metaNode is the name of the node on which the metadata store runs.
const metaNode = "meta"

// metadata is the metadata store and how it misbehaves.
type metadata struct {
	*memory.Store
	n        *network
	h        *history
	patience time.Duration // how long a request is waited for
	ttl      time.Duration // how long a session lives without its client
	loss     atomic.Int64  // one in so many requests, and one in so many answers, is lost; 0: none

	mu       sync.Mutex
	sessions map[*session]bool
}

func (m *metadata) keep(s *session) {
	m.mu.Lock()
	m.sessions[s] = true
	m.mu.Unlock()
}

func (m *metadata) lose(s *session) {
	m.mu.Lock()
	delete(m.sessions, s)
	m.mu.Unlock()
}

// expire ends the sessions of a node as if it had been silent for too long.
func (m *metadata) expire(node string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for s := range m.sessions {
		if s.l.p.node == node {
			s.real.Close()
			n++
		}
	}
	return n
}

// metaLink is the metadata store as one process sees it: requests and answers travel, wait behind partitions, overtake each
// other, and get lost.
type metaLink struct {
	m    *metadata
	p    *process
	dice *dice
	out  *link
	back *link
}

var errAway = errors.New("the metadata store does not answer")

func (m *metadata) connect(p *process, d *dice) *metaLink {
	return &metaLink{m: m, p: p, dice: d, out: m.n.link(p.node, metaNode), back: m.n.link(metaNode, p.node)}
}

type answer[T any] struct {
	v   T
	err error
}

// ask sends a request. lost is the error when no answer came: the request may have been done, or may yet be.
func ask[T any](ctx context.Context, l *metaLink, lost error, do func() (T, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	if l.p.over() {
		return none, meta.ErrClosed
	}
	loss := int(l.m.loss.Load())
	dropped, silent := loss > 0 && l.dice.one(loss), loss > 0 && l.dice.one(loss)
	came := make(chan answer[T], 1)
	go func() {
		// A request that waits behind a partition is sent again by the transport, until that gives up.
		travel, cancel := context.WithTimeout(context.Background(), 2*l.m.patience)
		defer cancel()
		if dropped || l.out.cross(travel, l.dice) != nil {
			return
		}
		v, err := do()
		if silent || l.back.cross(travel, l.dice) != nil {
			return
		}
		came <- answer[T]{v, err}
	}()
	t := time.NewTimer(l.m.patience)
	defer t.Stop()
	select {
	case a := <-came:
		return a.v, a.err
	case <-ctx.Done():
	case <-t.C:
	case <-l.p.ctx.Done():
		return none, meta.ErrClosed
	}
	l.m.h.count("metadata answers lost", 1)
	if ctx.Err() != nil && errors.Is(lost, errAway) {
		return none, ctx.Err()
	}
	return none, lost
}

func (l *metaLink) Get(ctx context.Context, key string) (meta.Value, error) {
	return ask(ctx, l, errAway, func() (meta.Value, error) { return l.m.Store.Get(context.Background(), key) })
}

func (l *metaLink) Put(ctx context.Context, key string, data []byte, expect meta.Version) (meta.Version, error) {
	data = append([]byte{}, data...)
	return ask(ctx, l, meta.ErrUnknown, func() (meta.Version, error) { return l.m.Store.Put(context.Background(), key, data, expect) })
}

func (l *metaLink) Delete(ctx context.Context, key string, expect meta.Version) error {
	_, err := ask(ctx, l, meta.ErrUnknown, func() (struct{}, error) { return struct{}{}, l.m.Store.Delete(context.Background(), key, expect) })
	return err
}

func (l *metaLink) List(ctx context.Context, key string) ([]string, error) {
	return ask(ctx, l, errAway, func() ([]string, error) { return l.m.Store.List(context.Background(), key) })
}

func (l *metaLink) Sequence(ctx context.Context, path string) (int64, error) {
	return ask(ctx, l, errAway, func() (int64, error) { return l.m.Store.Sequence(context.Background(), path) })
}

// Close implements meta.Store. The store is everybody's; the process's link to it ends with the process.
func (l *metaLink) Close() error { return nil }

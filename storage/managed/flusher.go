package managed

import (
	"context"
	"sync"
	"time"
)

// flusher writes dirty cursors.
type flusher struct {
	m  *Manager
	mu sync.Mutex
	q  []*Cursor
	t  *time.Timer
}

func newFlusher(m *Manager) *flusher { return &flusher{m: m} }

func (f *flusher) add(c *Cursor) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.q = append(f.q, c)
	if f.t == nil {
		f.t = time.AfterFunc(f.m.opts.FlushInterval, func() { f.m.work.run(f.flush) })
	}
}

func (f *flusher) flush() {
	f.mu.Lock()
	q := f.q
	f.q, f.t = nil, nil
	f.mu.Unlock()
	for _, c := range q {
		ctx, cancel := context.WithTimeout(f.m.ctx, metadataTimeout)
		if err := c.Flush(ctx); err != nil {
			c.l.log.Warn("cursor not written", "cursor", c.name, "err", err)
		}
		cancel()
	}
}

func (f *flusher) close() {
	f.mu.Lock()
	if f.t != nil {
		f.t.Stop()
	}
	f.mu.Unlock()
}

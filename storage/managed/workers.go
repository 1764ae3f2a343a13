package managed

import (
	"context"
	"sync"
)

// workers runs blocking work on at most max goroutines, which exist only while there is some.
type workers struct {
	max int

	mu      sync.Mutex
	queue   []func()
	running int
	closed  bool
	done    sync.WaitGroup
}

func newWorkers(max int) *workers { return &workers{max: max} }

// run queues task. After close it does nothing. The queue is bounded by what queues: each managed ledger and each cursor has at
// most one task in it.
func (w *workers) run(task func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	w.queue = append(w.queue, task)
	if w.running < w.max {
		w.running++
		w.done.Go(w.loop)
	}
}

func (w *workers) loop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.queue) > 0 {
		task := w.queue[0]
		w.queue[0] = nil
		w.queue = w.queue[1:]
		w.mu.Unlock()
		task()
		w.mu.Lock()
	}
	w.queue = nil
	w.running--
}

// close waits for what is queued and takes nothing more.
func (w *workers) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.done.Wait()
}

// ctlLock is a mutex that can be waited for with a context. The zero value is unlocked.
type ctlLock struct {
	mu    sync.Mutex
	held  bool
	freed chan struct{} // non-nil while somebody waits: closed at the next unlock
}

// lock takes the lock, or says why ctx ended.
func (c *ctlLock) lock(ctx context.Context) error {
	for {
		c.mu.Lock()
		if !c.held {
			c.held = true
			c.mu.Unlock()
			return nil
		}
		if c.freed == nil {
			c.freed = make(chan struct{})
		}
		freed := c.freed
		c.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// await takes the lock however long it takes.
func (c *ctlLock) await() { _ = c.lock(context.Background()) }

func (c *ctlLock) unlock() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = false
	if c.freed != nil {
		close(c.freed)
		c.freed = nil
	}
}

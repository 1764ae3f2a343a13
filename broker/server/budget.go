package server

import (
	"sync"
	"sync/atomic"
)

// budget counts the bytes of publishes that were received and not yet answered, of all connections or of one. Taking never waits, so
// that what was read can always be handed on; readers wait before they read more.
type budget struct {
	used    atomic.Int64
	waiting atomic.Bool // open is set

	mu    sync.Mutex
	level int64
	open  chan struct{} // closed when used is at most level; nil: nobody waits
}

func (b *budget) take(n int64) { b.used.Add(n) }

// give returns n bytes. It does not block.
func (b *budget) give(n int64) {
	b.used.Add(-n)
	if !b.waiting.Load() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open != nil && b.used.Load() <= b.level {
		b.openLocked()
	}
}

// until returns a channel that closes when at most level bytes are used, or nil when that is so now. Whoever waits for another level
// of the same budget is woken and asks again.
func (b *budget) until(level int64) <-chan struct{} {
	if b.used.Load() <= level {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open != nil && b.level != level {
		b.openLocked()
	}
	if b.open == nil {
		b.open, b.level = make(chan struct{}), level
		b.waiting.Store(true)
	}
	open := b.open
	if b.used.Load() <= level { // given back before anybody knew of us
		b.openLocked()
		return nil
	}
	return open
}

func (b *budget) openLocked() {
	close(b.open)
	b.open = nil
	b.waiting.Store(false)
}

package meta

import (
	"context"
	"sync"
)

// queuedEvents is how many events wait for the watches of one store. When on is slow and more come, they are dropped and every
// watch is told to read all again.
const queuedEvents = 4096

// Watchers delivers the changes of a store that makes them itself (memory, local) to its watches, on one goroutine that starts
// with the first watch. The zero value is ready.
type Watchers struct {
	mu      sync.Mutex
	list    []*watcher
	queue   []numbered
	number  uint64 // of the last event published or watch begun
	overrun bool   // events were dropped
	closed  bool
	wake    chan struct{} // nil until the goroutine runs
	joined  chan struct{}
}

type watcher struct {
	ctx    context.Context
	prefix string
	on     func(Event)
	since  uint64 // events up to this number were before the watch
	stop   func() bool
}

type numbered struct {
	Event
	number uint64
}

// Watch is Store.Watch.
func (w *Watchers) Watch(ctx context.Context, prefix string, on func(Event)) error {
	if err := CheckPrefix(prefix); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return ErrClosed
	}
	if w.wake == nil {
		w.wake = make(chan struct{}, 1)
		w.joined = make(chan struct{})
		go w.deliver()
	}
	n := &watcher{ctx: ctx, prefix: prefix, on: on, since: w.number}
	n.stop = context.AfterFunc(ctx, func() { w.remove(n) })
	// Copied, because the goroutine walks the old list without the lock.
	w.list = append(w.list[:len(w.list):len(w.list)], n)
	return nil
}

func (w *Watchers) remove(n *watcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var rest []*watcher
	for _, x := range w.list {
		if x != n {
			rest = append(rest, x)
		}
	}
	w.list = rest
}

// Publish queues a change for the watches. It does not block. Changes of one key must be published in their order, after they are
// durable and before they are answered.
func (w *Watchers) Publish(e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.number++
	switch {
	case w.closed || len(w.list) == 0:
		return
	case len(w.queue) == queuedEvents:
		w.overrun = true
	default:
		w.queue = append(w.queue, numbered{e, w.number})
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *Watchers) deliver() {
	defer close(w.joined)
	for range w.wake {
		w.mu.Lock()
		queue, overrun, list, closed := w.queue, w.overrun, w.list, w.closed
		w.queue, w.overrun = nil, false
		w.mu.Unlock()
		if closed {
			return
		}
		for _, e := range queue {
			for _, x := range list {
				if e.number > x.since && Below(e.Key, x.prefix) && x.ctx.Err() == nil {
					x.on(e.Event)
				}
			}
		}
		if overrun {
			for _, x := range list {
				if x.ctx.Err() == nil {
					x.on(Event{Key: x.prefix})
				}
			}
		}
	}
}

// Len is how many watches there are.
func (w *Watchers) Len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.list)
}

// Close ends all watches and waits for a call of on that is under way; it must not be called from one.
func (w *Watchers) Close() {
	w.mu.Lock()
	for _, x := range w.list {
		x.stop()
	}
	w.list, w.queue = nil, nil
	running := w.wake != nil
	if running && !w.closed {
		close(w.wake)
	}
	w.closed = true
	w.mu.Unlock()
	if running {
		<-w.joined
	}
}

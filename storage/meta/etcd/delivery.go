package etcd

import (
	"sync"

	"github.com/strobemq/strobe/storage/meta"
)

// queuedEvents is how many events wait for the watches of one store. When on is slow and more come, they are dropped and their
// watch is told to read all again.
const queuedEvents = 4096

// delivery calls the watches' functions on one goroutine, so that no watch of etcd's ever waits for them.
type delivery struct {
	wake   chan struct{}
	joined chan struct{}

	mu      sync.Mutex
	queue   []queued
	overrun map[*watch]bool // lost events
	closed  bool
}

type queued struct {
	*watch
	meta.Event
}

func (d *delivery) open() {
	d.wake, d.joined, d.overrun = make(chan struct{}, 1), make(chan struct{}), map[*watch]bool{}
	go d.run()
}

func (d *delivery) add(w *watch, e meta.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed || d.overrun[w]:
		return
	case len(d.queue) == queuedEvents:
		d.overrun[w] = true
		w.store.resynced.Add(1)
	default:
		d.queue = append(d.queue, queued{w, e})
	}
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

func (d *delivery) run() {
	defer close(d.joined)
	for range d.wake {
		d.mu.Lock()
		queue, overrun := d.queue, d.overrun
		d.queue, d.overrun = nil, map[*watch]bool{}
		d.mu.Unlock()
		for _, q := range queue {
			if q.ctx.Err() == nil && q.store.life.Err() == nil {
				q.on(q.Event)
			}
		}
		for w := range overrun {
			if w.ctx.Err() == nil && w.store.life.Err() == nil {
				w.on(meta.Event{Key: w.prefix})
			}
		}
	}
}

// close waits for a call that is under way. No watch runs any more.
func (d *delivery) close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	close(d.wake)
	<-d.joined
}

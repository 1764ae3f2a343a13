package sim

import (
	"context"
	"sync"
	"time"

	"github.com/strobemq/strobe/storage/meta"
)

// watch delivers the events of one watch late, each for itself but in order per watch. Events that come while the way is blocked
// are not delivered: when it is open again the watch is told to read all again.
type watch struct {
	l      *metaLink
	prefix string
	on     func(meta.Event)

	mu     sync.Mutex
	queue  []due
	missed bool
	wake   chan struct{}
}

type due struct {
	meta.Event
	at time.Time
}

func (l *metaLink) Watch(ctx context.Context, prefix string, on func(meta.Event)) error {
	w := &watch{l: l, prefix: prefix, on: on, wake: make(chan struct{}, 1)}
	_, err := ask(ctx, l, errAway, func() (struct{}, error) {
		if ctx.Err() != nil || l.p.over() {
			return struct{}{}, meta.ErrClosed
		}
		return struct{}{}, l.m.Store.Watch(ctx, prefix, w.event)
	})
	if err == nil {
		go w.run(ctx)
	}
	return err
}

func (w *watch) event(e meta.Event) {
	w.mu.Lock()
	if w.l.back.blocked() != nil {
		w.missed = true
	} else {
		w.queue = append(w.queue, due{e, time.Now().Add(w.l.back.transit(w.l.dice))})
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// run ends with ctx.
func (w *watch) run(ctx context.Context) {
	for {
		select {
		case <-w.wake:
		case <-ctx.Done():
			return
		}
		for w.l.back.cross(ctx, w.l.dice) == nil {
			w.mu.Lock()
			queue, missed := w.queue, w.missed
			w.queue, w.missed = nil, false
			w.mu.Unlock()
			if len(queue) == 0 && !missed {
				break
			}
			for _, e := range queue {
				time.Sleep(time.Until(e.at))
				if ctx.Err() == nil && !w.l.p.over() {
					w.on(e.Event)
				}
			}
			if missed && ctx.Err() == nil && !w.l.p.over() {
				w.on(meta.Event{Key: w.prefix})
			}
		}
	}
}

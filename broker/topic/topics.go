package topic

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/managed"
)

// Topics is the registry of a broker's topics. All methods are safe for concurrent use.
type Topics struct {
	o   Options
	log *slog.Logger

	names     sync.Mutex // guards the making of producer names, and is held across NextProducer
	number    int64
	numbered  bool
	nameCount int64

	mu     sync.Mutex // guards all below
	lives  map[string]*life
	closed bool

	work   sync.WaitGroup // loads, unloads
	slots  chan struct{}  // bounds them
	ctx    context.Context
	cancel context.CancelFunc
}

// life is one life of a topic in the registry, from the begin of its load to the end of its unload.
type life struct {
	name   Name
	create making
	ready  chan struct{} // closed when topic or err is set
	topic  *Topic
	err    error
	ended  chan struct{} // closed when the life is over and the next may begin
}

// loadLimit bounds the loads and unloads that run at the same time.
const loadLimit = 64

// NewTopics makes a registry; it starts nothing.
func NewTopics(o Options) *Topics {
	o = o.withDefaults()
	r := &Topics{o: o, log: o.Log, lives: map[string]*life{}, slots: make(chan struct{}, loadLimit)}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

func (r *Topics) now() time.Time { return r.o.Now() }

// run runs f on a goroutine that Close joins; false when the registry is closed.
func (r *Topics) run(f func(ctx context.Context)) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.work.Go(func() { f(r.ctx) })
	return true
}

// Get returns the topic, loading it if need be: one load at a time, whoever else asks waits for it. A topic that does not exist is
// created when create is set and Options.Create allows it, else TOPIC_NOT_FOUND. While the topic is being unloaded or
// deleted, Get waits and then loads its next life. The error is a *Refusal.
func (r *Topics) Get(ctx context.Context, n Name, create bool) (*Topic, error) {
	if create {
		return r.get(ctx, n, makeAllowed)
	}
	return r.get(ctx, n, makeNot)
}

// Create returns the topic, and creates it if need be whatever Options.Create says: an administrator asked for it.
func (r *Topics) Create(ctx context.Context, n Name) (*Topic, error) {
	return r.get(ctx, n, makeAlways)
}

// making says whether a load may create the topic.
type making uint8

const (
	makeNot     making = iota
	makeAllowed        // if Options.Create allows it
	makeAlways
)

func (r *Topics) get(ctx context.Context, n Name, create making) (*Topic, error) {
	for {
		l, err := r.life(n, create)
		if err != nil {
			return nil, err
		}
		select {
		case <-l.ready:
		case <-ctx.Done():
			return nil, refuse(wire.ServiceNotReady, fault.TopicLoad, "%s: %w", n, ctx.Err())
		}
		if l.err != nil {
			if create > l.create && (l.create == makeAllowed || errors.Is(l.err, managed.ErrNotFound)) {
				continue // somebody who must not create it asked first
			}
			return nil, refusalOf(n, l.err)
		}
		if l.topic.State().Serving() {
			return l.topic, nil
		}
		select {
		case <-l.ended:
		case <-ctx.Done():
			return nil, l.topic.going(l.topic.State())
		}
	}
}

// life is the topic's present life; its load is begun if there is none.
func (r *Topics) life(n Name, create making) (*life, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := n.String()
	if l := r.lives[key]; l != nil {
		return l, nil
	}
	if r.closed {
		return nil, refuse(wire.ServiceNotReady, fault.TopicGoing, "%s: the broker is stopping", n)
	}
	l := &life{name: n, create: create, ready: make(chan struct{}), ended: make(chan struct{})}
	r.lives[key] = l
	r.work.Go(func() {
		r.slots <- struct{}{}
		t, err := r.load(r.ctx, n, create)
		<-r.slots
		if err != nil {
			r.end(l)
		}
		l.topic, l.err = t, err
		close(l.ready)
	})
	return l, nil
}

// end takes a life out of the registry, so that the next may begin.
func (r *Topics) end(l *life) {
	r.mu.Lock()
	if r.lives[l.name.String()] == l {
		delete(r.lives, l.name.String())
		close(l.ended)
	}
	r.mu.Unlock()
}

// Loaded returns the topic if it is loaded and serving, or nil. It does not block.
func (r *Topics) Loaded(n Name) *Topic {
	r.mu.Lock()
	l := r.lives[n.String()]
	r.mu.Unlock()
	if l == nil || !l.done() || l.err != nil || !l.topic.State().Serving() {
		return nil
	}
	return l.topic
}

func (l *life) done() bool {
	select {
	case <-l.ready:
		return true
	default:
		return false
	}
}

// All are the topics that are loaded and serving, by name.
func (r *Topics) All() []*Topic {
	r.mu.Lock()
	var ts []*Topic
	for _, l := range r.lives {
		if l.done() && l.err == nil && l.topic.State().Serving() {
			ts = append(ts, l.topic)
		}
	}
	r.mu.Unlock()
	slices.SortFunc(ts, func(a, b *Topic) int { return strings.Compare(a.name.String(), b.name.String()) })
	return ts
}

// Unload closes the topic: nothing new is let in, what was published completes, producers and consumers are disconnected, positions and
// the deduplication snapshot are written. When ctx ends first, the unload goes on. Not loaded: nothing to do.
func (r *Topics) Unload(ctx context.Context, n Name) error {
	r.mu.Lock()
	l := r.lives[n.String()]
	r.mu.Unlock()
	if l == nil {
		return nil
	}
	return r.finish(ctx, l, unload)
}

// finish ends a life by e and waits for that.
func (r *Topics) finish(ctx context.Context, l *life, e event) error {
	done := make(chan error, 1)
	begun := r.run(func(ctx context.Context) {
		<-l.ready
		if l.err != nil {
			done <- nil
			return
		}
		r.slots <- struct{}{}
		defer func() { <-r.slots }()
		done <- r.shut(ctx, l, e)
	})
	if !begun {
		return refuse(wire.ServiceNotReady, fault.TopicGoing, "%s: the broker is stopping", l.name)
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return refuse(wire.ServiceNotReady, fault.TopicGoing, "%s: %w", l.name, ctx.Err())
	}
}

// closeTimeout is how long publishes on their way may take when their topic is closed.
const closeTimeout = 20 * time.Second

// shut closes the life's topic and, when e says so, removes what it stored.
func (r *Topics) shut(ctx context.Context, l *life, e event) error {
	waiting, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	ours, err := l.topic.shut(waiting, e)
	if !ours {
		<-l.ended
		return nil
	}
	defer r.end(l)
	if err != nil {
		r.log.Warn("topic closed with an error", "topic", l.name.String(), "err", err)
	}
	if e != remove {
		return err
	}
	return r.erase(ctx, l.name)
}

// fenced gives up a topic that another owner has.
func (r *Topics) fenced(t *Topic) {
	t.fence()
	r.mu.Lock()
	l := r.lives[t.name.String()]
	r.mu.Unlock()
	if l == nil {
		return
	}
	r.run(func(ctx context.Context) {
		<-l.ready
		if l.topic == t {
			_ = r.shut(ctx, l, unload) // there is nothing left to write
		}
	})
}

// Disown begins to unload every topic, because they are no longer this broker's, and does not wait for it. What a topic still writes is judged by
// its version in the metadata and by the bookies' fences, so it spoils nothing of the next owner's. Before a topic's next
// life Options.Own is asked.
func (r *Topics) Disown() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	for _, l := range r.lives {
		r.work.Go(func() {
			<-l.ready
			if l.err == nil {
				r.slots <- struct{}{}
				defer func() { <-r.slots }()
				_ = r.shut(r.ctx, l, unload) // logged there
			}
		})
	}
}

// Refresh asks Options.Settings again for a topic that is loaded. Retention and limits change at once. Switching deduplication unloads the
// topic: its clients come back within moments, to a topic that has read what it must know.
func (r *Topics) Refresh(ctx context.Context, n Name) error {
	t := r.Loaded(n)
	if t == nil || r.o.Settings == nil {
		return nil
	}
	s, err := r.o.Settings(ctx, n)
	if err != nil {
		return err
	}
	if t.apply(s) {
		return nil
	}
	return r.Unload(ctx, n)
}

// Close unloads every topic and joins everything. Idempotent.
func (r *Topics) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		r.work.Wait()
		return nil
	}
	r.closed = true
	var lives []*life
	for _, l := range r.lives {
		lives = append(lives, l)
	}
	r.mu.Unlock()

	errs := make([]error, len(lives))
	var g sync.WaitGroup
	for i, l := range lives {
		g.Go(func() {
			<-l.ready
			r.slots <- struct{}{}
			defer func() { <-r.slots }()
			if l.err == nil {
				errs[i] = r.shut(r.ctx, l, unload)
			}
		})
	}
	g.Wait()
	r.cancel()
	r.work.Wait()
	return errors.Join(errs...)
}

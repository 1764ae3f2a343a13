package topic

import (
	"context"
	"errors"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/managed"
)

// Delete removes the topic for good, with its entries, subscriptions and deduplication state. Refused while producers or consumers
// are connected unless force, then they are disconnected; force also removes a topic that cannot be loaded. TOPIC_NOT_FOUND when there is none. When
// it fails halfway, the topic is still there, with part of its entries, and can be deleted again.
func (r *Topics) Delete(ctx context.Context, n Name, force bool) error {
	t, err := r.Get(ctx, n, false)
	if err != nil {
		if f, ok := fault.Of(err); force && ok && f.Fault == fault.TopicLoad && ctx.Err() == nil {
			return r.deleteUnloaded(ctx, n)
		}
		return err
	}
	if !force && t.inUse() {
		return refuse(wire.ConsumerBusy, fault.TopicInUse, "%s", n)
	}
	r.mu.Lock()
	l := r.lives[n.String()]
	r.mu.Unlock()
	if l == nil {
		return nil
	}
	if err := r.finish(ctx, l, remove); err != nil {
		return refusalOf(n, err)
	}
	return nil
}

// deleteUnloaded erases a topic in the place of a life, so that nobody loads it meanwhile.
func (r *Topics) deleteUnloaded(ctx context.Context, n Name) error {
	l := &life{name: n, ready: make(chan struct{}), ended: make(chan struct{}), err: managed.ErrNotFound}
	r.mu.Lock()
	if r.lives[n.String()] != nil || r.closed {
		r.mu.Unlock()
		return refuse(wire.ServiceNotReady, fault.TopicGoing, "%s is being loaded", n)
	}
	r.lives[n.String()] = l
	r.mu.Unlock()
	defer close(l.ready) // whoever waited finds it gone
	defer r.end(l)
	if err := r.erase(ctx, n); err != nil {
		return refusalOf(n, err)
	}
	return nil
}

// erase removes what is stored of a topic that is not open.
func (r *Topics) erase(ctx context.Context, n Name) error {
	if n.Persistent {
		if err := r.o.Managed.Delete(ctx, n.ManagedName()); err != nil && !errors.Is(err, managed.ErrNotFound) {
			return err
		}
	}
	if r.o.Deleted != nil {
		r.o.Deleted(n)
	}
	return nil
}

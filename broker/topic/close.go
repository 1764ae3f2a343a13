package topic

import (
	"context"
	"slices"
)

// shut moves the topic out of service by e, disconnects everybody and frees what it holds; with ctx it waits for publishes on their
// way. False when the topic is in no state for that: somebody else does it.
//
// In this order: nothing new is let in; producers are told; what they had published completes; consumers are told, behind it;
// the deduplication snapshot is taken at the very end; the ledger writes all cursors and closes.
func (t *Topic) shut(ctx context.Context, e event) (bool, error) {
	t.mu.Lock()
	next, ok := t.state.next(e)
	if !ok {
		t.mu.Unlock()
		return false, nil
	}
	t.state = next
	t.disconnectLocked()
	var quiet chan struct{}
	if t.pending > 0 {
		quiet = make(chan struct{})
		t.quiet = quiet
	}
	t.deliverLocked()
	if quiet != nil {
		select {
		case <-quiet:
		case <-ctx.Done(): // the ledger fails them
		}
	}

	// Whoever changes subscriptions now sees the state when he gets the lock.
	t.change <- struct{}{}
	defer func() { <-t.change }()
	for _, s := range *t.subs.Load() {
		_ = s.Close() // never fails
	}
	t.mu.Lock()
	if next == Unloading {
		t.snapshotLocked(true)
	}
	t.mu.Unlock()
	var err error
	if t.ledger != nil {
		err = t.ledger.Close(ctx)
	}
	t.mu.Lock()
	t.state, _ = t.state.next(ended)
	t.mu.Unlock()
	return true, err
}

// fence disconnects everybody because another owner has the ledger.
func (t *Topic) fence() {
	t.mu.Lock()
	next, ok := t.state.next(fence)
	if !ok {
		t.mu.Unlock()
		return
	}
	t.log.Warn("topic was taken over by another owner")
	t.state = next
	t.disconnectLocked()
	t.deliverLocked()
}

// inUse reports whether producers or consumers are connected.
func (t *Topic) inUse() bool {
	t.mu.Lock()
	n := len(t.producers) + len(t.queue)
	t.mu.Unlock()
	for _, s := range *t.subs.Load() {
		n += len(s.Consumers())
	}
	return n > 0
}

// apply takes new settings; false when they need a reload.
func (t *Topic) apply(s Settings) bool {
	s = s.withDefaults()
	t.mu.Lock()
	if t.ledger != nil && s.Dedup != t.settings.Dedup {
		t.mu.Unlock()
		return false
	}
	t.settings = s
	t.mu.Unlock()
	if t.ledger != nil {
		t.ledger.SetConfig(s.Managed)
	}
	for _, sub := range *t.subs.Load() {
		sub.SetLimits(s.Limits)
	}
	return true
}

// disconnectLocked detaches all producers, those that wait for their turn too.
func (t *Topic) disconnectLocked() {
	for _, p := range t.producers {
		t.detachLocked(p)
	}
	for _, p := range slices.Clone(t.queue) {
		t.rejectLocked(p, t.going(t.state))
	}
}

package topic

import (
	"github.com/strobemq/strobe/broker/subscription"
	"github.com/strobemq/strobe/storage/bk"
)

// publishNow hands the publishes of a non-persistent topic to whoever is there and answers them: nothing is stored, and what nobody
// takes at this moment is gone. Their positions count up in ledger 0 and mean nothing.
func (t *Topic) publishNow(list []*Publish) {
	t.mu.Lock()
	now := t.r.now().UnixMilli()
	var pushed []subscription.Delivery
	for _, p := range list {
		p.Position, p.Err, p.wait, p.link = Duplicate, nil, false, nil
		p.Messages = max(p.Messages, 1)
		if r := t.refusePublishLocked(p.Producer); r != nil {
			t.refusePubLocked(p, r)
			continue
		}
		t.lastPublish = now
		p.Position = bk.Position{Ledger: 0, Entry: int64(t.taken)}
		t.taken++
		t.counters.add(p.Messages, len(p.Data.B))
		p.Producer.counters.add(p.Messages, len(p.Data.B))
		pushed = append(pushed, subscription.Delivery{Position: p.Position, Payload: p.Data, Messages: p.Messages})
		t.outbox = append(t.outbox, p)
	}
	// Under the lock, so that entries reach the subscriptions in order.
	if len(pushed) > 0 {
		for _, s := range *t.subs.Load() {
			s.Push(pushed)
		}
	}
	t.deliverLocked()
}

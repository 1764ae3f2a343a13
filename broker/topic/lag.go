package topic

import (
	"context"
	"time"

	"github.com/strobemq/strobe/broker/subscription"
	"github.com/strobemq/strobe/broker/wire"
)

// Lag is how far behind a subscription is: the messages from the first that is not acknowledged to the topic's last, and how long ago the
// broker took that first one. Both come from broker entry metadata, so no batch is opened; entries without it count as one message
// each, and have no age. At most one entry is read, usually from the cache.
func (t *Topic) Lag(ctx context.Context, s *subscription.Subscription) (messages int64, age time.Duration, err error) {
	c := s.Cursor()
	if t.ledger == nil || c == nil {
		return 0, 0, nil
	}
	first, last := t.ledger.Next(c.MarkDelete()), t.ledger.LastConfirmed()
	if last.Less(first) {
		return 0, 0, nil
	}
	e, err := t.Entry(ctx, first)
	if err != nil {
		return 0, 0, err
	}
	defer e.Payload.Release()
	broker, _, found, err := wire.CutBrokerEntry(e.Payload.B)
	if err != nil {
		return 0, 0, err
	}
	if !found || !broker.HasIndex {
		return c.Backlog(), 0, nil
	}
	var m wire.Metadata
	if err := decode(e.Payload.B, &m); err != nil {
		return 0, 0, err
	}
	t.mu.Lock()
	end := t.stored
	t.mu.Unlock()
	if broker.HasTimestamp {
		age = max(0, t.r.now().Sub(time.UnixMilli(broker.Timestamp)))
	}
	return max(0, end-broker.Index+int64(m.Messages)), age, nil
}

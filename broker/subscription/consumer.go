package subscription

import (
	"time"

	"github.com/strobemq/strobe/storage/bk"
)

// ConsumerOptions are what SUBSCRIBE says about one consumer.
type ConsumerOptions struct {
	ID       uint64 // consumer_id: the connection's number for it
	Name     string // empty: the subscription makes one
	Priority int32  // priority_level: 0 is served first
	Epoch    uint64 // consumer_epoch
	Outlet   Outlet
	Metadata map[string]string

	// Key-shared only; all consumers of a subscription must agree on KeyMode and AllowOutOfOrder.
	KeyMode         KeyMode
	Ranges          []HashRange // Sticky: what this consumer takes; must not overlap another's
	AllowOutOfOrder bool        // keys may change their consumer while the former one still holds entries of them

	// For statistics only.
	Address       string
	ClientVersion string
}

// Consumer is one consumer attached to a Subscription. Its methods never block and are safe for concurrent use. After Close, or
// after the subscription detached it (Outlet.Disconnect), they do nothing, so that commands still in flight when a seek or
// an unload happened change nothing.
type Consumer struct {
	sub    *Subscription
	o      ConsumerOptions
	seq    uint64    // order of arrival in the subscription
	joined time.Time // for statistics

	// Guarded by sub.mu:
	closed   bool
	permits  int32  // messages it may still be sent; below 0 after a batch larger than what was left
	epoch    uint64 // the client's consumer_epoch, carried by each Delivery
	unacked  int32  // messages sent and not acknowledged (shared types)
	blocked  bool   // unacked reached the limit; open again at half of it
	ended    bool   // was told of the end of the topic
	ready    bool   // dispatch's note that it is able
	picked   int32  // dispatch's note how many entries it is about to get
	out      []Delivery
	counters counters
}

// ID is the consumer_id.
func (c *Consumer) ID() uint64 { return c.o.ID }

// Name is the consumer's name, given or made.
func (c *Consumer) Name() string { return c.o.Name }

// Subscription is what the consumer is attached to.
func (c *Consumer) Subscription() *Subscription { return c.sub }

// Flow adds permits (messages). Dispatch happens on the caller's stack.
func (c *Consumer) Flow(permits uint32) { c.sub.flow(c, permits) }

// Drained tells that the connection can take output again after Outlet.Congested.
func (c *Consumer) Drained() { c.sub.drained(c) }

// Ack acknowledges the messages; with cumulative, everything up to acks[0]. When it returns nil the cursor has them in memory and
// writes them within its flush interval; a crash before that redelivers. A *Refusal when the type does not allow it (cumulative
// on a shared subscription) or the subscription is gone: an answer for ACK_RESPONSE.
func (c *Consumer) Ack(acks []Ack, cumulative bool) error {
	if r := c.sub.ack(c, acks, cumulative); r != nil {
		return r
	}
	return nil
}

// Redeliver makes the consumer's unacknowledged entries be delivered again: those given, or all when ids is nil. epoch is the
// command's consumer_epoch and becomes that of later deliveries; negative: none was sent. On exclusive and failover
// subscriptions, order forbids redelivering single entries, so everything unacknowledged is delivered again.
func (c *Consumer) Redeliver(ids []bk.Position, epoch int64) { c.sub.redeliver(c, ids, epoch) }

// Again tells that the client subscribed again with this consumer. It does so when it believes that the consumer went with a connection, and it has
// thrown away what it was sent: everything unacknowledged is delivered again, and nothing before the next Flow.
func (c *Consumer) Again() { c.sub.again(c) }

// Close detaches the consumer; what it has not acknowledged goes to others, in order. Idempotent.
func (c *Consumer) Close() error {
	c.sub.removeConsumer(c)
	return nil
}

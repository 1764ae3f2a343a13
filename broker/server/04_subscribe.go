package server

import (
	"context"
	"time"

	"github.com/strobemq/strobe/broker/subscription"
	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
)

// SUBSCRIBE attaches a consumer. Answered with SUCCESS; messages come after the first FLOW.
//
// Not done: read_compacted reads the whole topic until there is compaction; replicate_subscription_state is remembered only.
func handleSubscribe(c *conn, kind wire.Type, body []byte) error {
	m := &pb.Subscribe{}
	if err := wire.DecodeBody(kind, body, m); err != nil {
		return fault.CommandMalformed.New("%w", err)
	}
	u, busy := c.newConsumer(m.GetConsumerId())
	if u == nil {
		c.subscribeAgain(m, busy)
		return nil
	}
	c.request(func(ctx context.Context) {
		sc, err := c.subscribe(ctx, u, m)
		if err != nil {
			u.drop()
			c.fail(m.GetRequestId(), err)
			return
		}
		u.answer(sc, &pb.Success{RequestId: m.RequestId})
		c.settle(u.drop)
	})
	return nil
}

// subscribeAgain answers a client that asks for a consumer it already has; busy: the first SUBSCRIBE is not answered yet.
//
// pulsar-client-go (v0.21.0) does so after it lost two connections soon after each other. Apache answers and leaves it at that, and what the client
// dropped stays away for as long as the connection lives; here it comes again.
func (c *conn) subscribeAgain(m *pb.Subscribe, busy error) {
	if busy != nil {
		c.fail(m.GetRequestId(), busy)
		return
	}
	if u := c.consumer(m.GetConsumerId()); u != nil {
		if sc := u.attached(); sc != nil {
			sc.Again()
		}
	}
	c.reply(wire.TypeSuccess, &pb.Success{RequestId: m.RequestId})
}

// newConsumer makes room for a consumer id. nil and no error when the client already has it; an error while it is being made.
func (c *conn) newConsumer(id uint64) (*consumer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leaving {
		return nil, fault.ShuttingDown.New("")
	}
	if u := c.consumers[id]; u != nil {
		if u.attached() == nil {
			return nil, fault.HandleBusy.New("consumer %d", id)
		}
		return nil, nil
	}
	u := &consumer{c: c, id: id, partition: -1}
	c.consumers[id] = u
	return u, nil
}

func (c *conn) subscribe(ctx context.Context, u *consumer, m *pb.Subscribe) (*subscription.Consumer, error) {
	n, err := topic.ParseName(m.GetTopic())
	if err != nil {
		return nil, err
	}
	if err := c.s.o.Authorize(ctx, c.principal, Consume, n.String()); err != nil {
		return nil, err
	}
	o, err := c.subscribeOptions(u, m)
	if err != nil {
		return nil, err
	}
	t, err := c.s.o.Topics.Get(ctx, n, m.GetForceTopicCreation())
	if err != nil {
		return nil, err
	}
	u.topic, u.partition = t, int32(n.Partition)
	return t.Subscribe(ctx, o)
}

func (c *conn) subscribeOptions(u *consumer, m *pb.Subscribe) (topic.SubscribeOptions, error) {
	o := topic.SubscribeOptions{
		Name:          m.GetSubscription(),
		Type:          subscription.Type(m.GetSubType()),
		NonDurable:    !m.GetDurable(),
		Earliest:      m.GetInitialPosition() == pb.Subscribe_EARLIEST,
		Rollback:      time.Duration(m.GetStartMessageRollbackDurationSec()) * time.Second,
		ReadCompacted: m.GetReadCompacted(),
		Properties:    keyValues(m.GetSubscriptionProperties()),
		Replicated:    m.GetReplicateSubscriptionState(),
		Schema:        schemaOf(m.GetSchema()),
		Consumer: subscription.ConsumerOptions{
			ID: u.id, Name: m.GetConsumerName(), Priority: m.GetPriorityLevel(), Epoch: m.GetConsumerEpoch(), Outlet: u,
			Metadata: keyValues(m.GetMetadata()), Address: c.nc.RemoteAddr().String(), ClientVersion: c.clientVersion,
		},
	}
	if !o.Type.Valid() {
		return o, fault.SubscribeMalformed.New("subscription type %d", m.GetSubType())
	}
	if id := m.GetStartMessageId(); id != nil {
		p := position(id)
		o.Start = &p
	}
	if k := m.GetKeySharedMeta(); k != nil {
		o.Consumer.KeyMode = subscription.KeyMode(k.GetKeySharedMode())
		o.Consumer.AllowOutOfOrder = k.GetAllowOutOfOrderDelivery()
		if o.Consumer.KeyMode != subscription.AutoSplit && o.Consumer.KeyMode != subscription.Sticky {
			return o, fault.SubscribeMalformed.New("key-shared mode %d", k.GetKeySharedMode())
		}
		for _, r := range k.GetHashRanges() {
			o.Consumer.Ranges = append(o.Consumer.Ranges, subscription.HashRange{Start: r.GetStart(), End: r.GetEnd()})
		}
	}
	return o, nil
}

// position is the entry of a message id; -1 and the largest number, which clients send for earliest and latest, are bk's.
func position(id *pb.MessageId) bk.Position {
	return bk.Position{Ledger: int64(id.GetLedgerId()), Entry: int64(id.GetEntryId())}
}

func keyValues(kv []*pb.KeyValue) map[string]string {
	if len(kv) == 0 {
		return nil
	}
	m := make(map[string]string, len(kv))
	for _, p := range kv {
		m[p.GetKey()] = p.GetValue()
	}
	return m
}

// schemaOf is the schema that a client wants kept: none for raw bytes and for consumers that take any schema.
func schemaOf(s *pb.Schema) *pb.Schema {
	if s == nil || s.GetType() == pb.Schema_NONE || s.GetType() == pb.Schema_AUTO_CONSUME {
		return nil
	}
	return s
}

package topicio

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/connectors"
)

// retryBusy is the wait before an exclusive subscription that somebody else holds is tried again.
const retryBusy = 100 * time.Millisecond

// Backlog reads what a durable subscription has not acknowledged, as many entries as it had at the time of the call at most, and
// hands each record to visit with a function that acknowledges it. It holds the subscription exclusively meanwhile, waiting until ctx for its turn. visit
// returns false to stop. A topic without messages, or that does not exist, has no backlog.
func (c *Client) Backlog(ctx context.Context, topic, subscription string, visit func(r connectors.Record, ack func() error) (bool, error)) error {
	topics, err := c.Topics(ctx, topic)
	if err != nil {
		return err
	}
	for i, t := range topics {
		partition := int32(-1)
		if len(topics) > 1 || t != topic {
			partition = int32(i)
		}
		more, err := c.backlog(ctx, t, partition, subscription, visit)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

func (c *Client) backlog(ctx context.Context, topic string, partition int32, subscription string, visit func(connectors.Record, func() error) (bool, error)) (bool, error) {
	src := NewSource(SourceOptions{Client: c, ReadBytes: 1})
	src.inbox = newInbox(src.o.InboxBytes)
	r, err := c.exclusive(ctx, topic, partition, subscription, src.inbox)
	if err != nil {
		var refused *ServerError
		if errors.As(err, &refused) && (refused.Code == wire.TopicNotFound || refused.Code == wire.SubscriptionNotFound) {
			return true, nil
		}
		return false, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = r.close(ctx) // what was not acknowledged stays in the backlog
	}()
	left, err := r.unacknowledged(ctx)
	kept := int64(0) // entries that were visited and are not acknowledged
	for err == nil && left > 0 {
		var b *batch
		if b, err = src.nextOf(ctx, r, kept); b == nil {
			break
		}
		for n := range b.records {
			more, err := visit(b.records[n], func() error { return b.ackOne(n) })
			if err != nil || !more {
				return false, err
			}
		}
		kept += b.unfinished()
		left -= b.entries()
	}
	return err == nil, err
}

// idleWait is how long nothing comes before the broker is asked whether anything is left: entries may be trimmed while they are waited for.
const (
	idleWait  = 200 * time.Millisecond
	idleWaits = 50 // then something is wrong
)

// nextOf is the next batch of the only consumer, r; nil when nothing is left beside the kept entries.
func (s *Source) nextOf(ctx context.Context, r *consumer, kept int64) (*batch, error) {
	for idle := 0; ; {
		wait, cancel := context.WithTimeout(ctx, idleWait)
		b, err := s.next(wait)
		cancel()
		switch {
		case err == nil && len(b.records) > 0:
			return b, nil
		case err == nil:
			continue // a part of a large message, or acknowledged long ago
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !errors.Is(err, context.DeadlineExceeded):
			return nil, err
		}
		left, err := r.unacknowledged(ctx)
		if err != nil || left <= kept+r.chunks.entries() && s.inbox.empty() {
			return nil, err
		}
		if idle++; idle == idleWaits {
			return nil, fmt.Errorf("%s: the subscription has %d entries that are not acknowledged, and they do not come", r.topic, left-kept)
		}
	}
}

// exclusive subscribes once nobody else holds the subscription.
func (c *Client) exclusive(ctx context.Context, topic string, partition int32, subscription string, into *inbox) (*consumer, error) {
	for {
		r := &consumer{topic: topic, partition: partition, ordered: true, into: into}
		err := c.subscribe(ctx, r, func(q *pb.Subscribe) {
			q.Subscription, q.SubType = &subscription, pb.Subscribe_EXCLUSIVE.Enum()
			q.InitialPosition, q.ForceTopicCreation = pb.Subscribe_EARLIEST.Enum(), proto.Bool(false)
		})
		var refused *ServerError
		if !errors.As(err, &refused) || refused.Code != wire.ConsumerBusy {
			return r, err
		}
		select {
		case <-time.After(retryBusy):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// unacknowledged is how many entries the subscription has not acknowledged. Nobody else takes any away: the consumer is exclusive.
func (r *consumer) unacknowledged(ctx context.Context) (int64, error) {
	var m pb.ConsumerStatsResponse
	err := r.conn.request(ctx, wire.TypeConsumerStats, func(id uint64) proto.Message {
		return &pb.ConsumerStats{ConsumerId: &r.id, RequestId: &id}
	}, &m)
	if err == nil && m.ErrorCode != nil {
		err = &ServerError{m.GetErrorCode(), m.GetErrorMessage()}
	}
	return int64(m.GetMsgBacklog()), err
}

// Publish sends records to the topics they name and waits until they are durable, with producers of its own.
func (c *Client) Publish(ctx context.Context, records []connectors.Record) error {
	s := NewSink(SinkOptions{Client: c})
	if err := s.Connect(ctx); err != nil {
		return err
	}
	defer s.Close()
	return s.Write(ctx, records)
}

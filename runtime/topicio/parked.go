package topicio

import (
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/connectors"
)

// retryBusy is the wait before an exclusive subscription that somebody else holds is tried again.
const retryBusy = 100 * time.Millisecond

// Backlog reads everything that a durable subscription has not acknowledged, up to the end of the topic at the time of the call, and
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
	into := newInbox()
	r, err := c.exclusive(ctx, topic, partition, subscription, into)
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
	if err != nil || left == 0 {
		return true, err
	}
	src := &Source{o: SourceOptions{MaxEntry: 128 << 20}}
	for {
		arrivals, err := into.take(ctx, nil)
		if err != nil {
			return false, err
		}
		for i := range arrivals {
			b := &batch{}
			if err := src.add(ctx, b, &arrivals[i]); err != nil {
				return false, err
			}
			for n := range b.records {
				more, err := visit(b.records[n], func() error { return b.ackOne(n) })
				if err != nil || !more {
					return false, err
				}
			}
			if left--; left <= 0 {
				return true, nil
			}
		}
	}
}

// exclusive subscribes once nobody else holds the subscription.
func (c *Client) exclusive(ctx context.Context, topic string, partition int32, subscription string, into *inbox) (*consumer, error) {
	for {
		r, err := c.subscribe(ctx, topic, partition, window, into, func(q *pb.Subscribe) {
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

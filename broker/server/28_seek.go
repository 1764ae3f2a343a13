package server

import (
	"context"
	"time"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/internal/fault"
)

// SEEK moves a consumer's subscription to a message or a time. Its consumers are asked to subscribe again (CLOSE_CONSUMER); answered
// with SUCCESS when the new position is stored.
func handleSeek(c *conn, kind wire.Type, body []byte) error {
	m := &pb.Seek{}
	if err := wire.DecodeBody(kind, body, m); err != nil {
		return fault.CommandMalformed.New("%w", err)
	}
	u := c.consumer(m.GetConsumerId())
	if u == nil || u.attached() == nil {
		c.fail(m.GetRequestId(), fault.ConsumerUnknown.New("SEEK of consumer %d", m.GetConsumerId()))
		return nil
	}
	sub := u.attached().Subscription()
	c.request(func(ctx context.Context) {
		err := c.s.o.Authorize(ctx, c.principal, Consume, u.topic.Name().String())
		switch {
		case err != nil:
		case m.MessageId != nil:
			err = sub.Seek(ctx, position(m.MessageId), m.MessageId.AckSet)
		case m.MessagePublishTime != nil:
			err = sub.SeekTime(ctx, time.UnixMilli(int64(m.GetMessagePublishTime())))
		default:
			err = fault.SeekMalformed.New("consumer %d", m.GetConsumerId())
		}
		if err != nil {
			c.fail(m.GetRequestId(), err)
			return
		}
		c.reply(wire.TypeSuccess, &pb.Success{RequestId: m.RequestId})
	})
	return nil
}

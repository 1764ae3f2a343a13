package server

import (
	"context"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/internal/fault"
)

// UNSUBSCRIBE removes a consumer's subscription for good. Answered with SUCCESS.
func handleUnsubscribe(c *conn, kind wire.Type, body []byte) error {
	m := &pb.Unsubscribe{}
	if err := wire.DecodeBody(kind, body, m); err != nil {
		return fault.CommandMalformed.New("%w", err)
	}
	u := c.consumer(m.GetConsumerId())
	if u == nil || u.attached() == nil {
		c.fail(m.GetRequestId(), fault.ConsumerUnknown.New("UNSUBSCRIBE of consumer %d", m.GetConsumerId()))
		return nil
	}
	sc := u.attached()
	c.request(func(ctx context.Context) {
		err := c.s.o.Authorize(ctx, c.principal, Consume, u.topic.Name().String())
		if err == nil {
			err = u.topic.Unsubscribe(ctx, sc.Subscription().Name(), sc, m.GetForce())
		}
		if err != nil {
			c.fail(m.GetRequestId(), err)
			return
		}
		u.drop()
		c.reply(wire.TypeSuccess, &pb.Success{RequestId: m.RequestId})
	})
	return nil
}

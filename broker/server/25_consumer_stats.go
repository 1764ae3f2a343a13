package server

import (
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/internal/fault"
)

// CONSUMER_STATS asks for what the broker counted of a consumer. Answered with CONSUMER_STATS_RESPONSE.
//
// Not done: rates; they are 0. Statistics over REST have them.
func handleConsumerStats(c *conn, kind wire.Type, body []byte) error {
	m := &pb.ConsumerStats{}
	if err := wire.DecodeBody(kind, body, m); err != nil {
		return fault.CommandMalformed.New("%w", err)
	}
	r := &pb.ConsumerStatsResponse{RequestId: m.RequestId}
	if err := c.consumerStats(m.GetConsumerId(), r); err != nil {
		code, text := refusal(err)
		r.ErrorCode, r.ErrorMessage = &code, &text
	}
	c.reply(wire.TypeConsumerStatsResponse, r)
	return nil
}

func (c *conn) consumerStats(id uint64, r *pb.ConsumerStatsResponse) error {
	if u := c.consumer(id); u != nil {
		if sc := u.attached(); sc != nil {
			if err := c.s.o.Authorize(c.ctx, c.principal, Consume, u.topic.Name().String()); err != nil {
				return err
			}
			s := sc.Subscription().Stats()
			for _, k := range s.Consumers {
				if k.ID != id || k.Name != sc.Name() {
					continue
				}
				r.ConsumerName, r.Address, r.Type = &k.Name, &k.Address, proto.String(s.Type.String())
				r.AvailablePermits = proto.Uint64(uint64(max(k.Permits, 0)))
				r.UnackedMessages = proto.Uint64(uint64(max(k.Unacked, 0)))
				r.BlockedConsumerOnUnackedMsgs = &k.Blocked
				r.ConnectedSince = proto.String(time.UnixMilli(k.Connected).Format(time.RFC3339Nano))
				r.MsgBacklog = proto.Uint64(uint64(max(s.Backlog, 0)))
				zero := proto.Float64(0)
				r.MsgRateOut, r.MsgThroughputOut, r.MsgRateRedeliver, r.MsgRateExpired, r.MessageAckRate = zero, zero, zero, zero, zero
				return nil
			}
		}
	}
	return fault.ConsumerUnknown.New("CONSUMER_STATS of consumer %d", id)
}

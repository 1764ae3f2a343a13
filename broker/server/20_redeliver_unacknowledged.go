package server

import (
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
)

// REDELIVER_UNACKNOWLEDGED_MESSAGES makes messages of a consumer be delivered again: those named, or all. Not answered.
func handleRedeliver(c *conn, kind wire.Type, body []byte) error {
	m := &pb.RedeliverUnacknowledged{}
	if err := wire.DecodeBody(kind, body, m); err != nil {
		return fault.CommandMalformed.New("%w", err)
	}
	u := c.consumer(m.GetConsumerId())
	if u == nil {
		return nil
	}
	sc := u.attached()
	if sc == nil {
		return nil
	}
	var ids []bk.Position
	for _, id := range m.GetMessageIds() {
		ids = append(ids, position(id))
	}
	epoch := int64(-1)
	if m.ConsumerEpoch != nil {
		epoch = int64(m.GetConsumerEpoch())
	}
	sc.Redeliver(ids, epoch)
	return nil
}

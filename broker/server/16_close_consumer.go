package server

import (
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/internal/fault"
)

// CLOSE_CONSUMER detaches a consumer; what it has not acknowledged goes to others. Answered with SUCCESS. The broker sends the same
// command to ask a client to subscribe again, see consumer.tellLocked.
func handleCloseConsumer(c *conn, kind wire.Type, body []byte) error {
	m := &pb.CloseConsumer{}
	if err := wire.DecodeBody(kind, body, m); err != nil {
		return fault.CommandMalformed.New("%w", err)
	}
	if u := c.consumer(m.GetConsumerId()); u != nil {
		u.drop()
	}
	c.reply(wire.TypeSuccess, &pb.Success{RequestId: m.RequestId})
	return nil
}

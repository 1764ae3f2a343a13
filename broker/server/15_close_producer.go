package server

import (
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/internal/fault"
)

// CLOSE_PRODUCER detaches a producer. Answered with SUCCESS once what it sent is answered. The broker sends the same command to ask a
// client to create the producer again, see producer.finish.
func handleCloseProducer(c *conn, kind wire.Type, body []byte) error {
	m := &pb.CloseProducer{}
	if err := wire.DecodeBody(kind, body, m); err != nil {
		return fault.CommandMalformed.New("%w", err)
	}
	c.mu.Lock()
	p := c.producers[m.GetProducerId()]
	c.mu.Unlock()
	if p == nil { // it is gone already
		c.reply(wire.TypeSuccess, &pb.Success{RequestId: m.RequestId})
		return nil
	}
	p.end(m.RequestId)
	return nil
}

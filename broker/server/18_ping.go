package server

import "github.com/strobemq/strobe/broker/wire"

// PING asks whether the broker lives. Answered with PONG.
func handlePing(c *conn, _ wire.Type, _ []byte) error {
	c.command(wire.AppendPong(nil))
	return nil
}

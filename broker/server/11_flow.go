package server

import "github.com/strobemq/strobe/internal/fault"

// FLOW lets the broker send a consumer so many messages more. Not answered.
func (c *conn) handleFlow(body []byte) error {
	if err := c.flow.Decode(body); err != nil {
		return fault.CommandMalformed.New("%w", err)
	}
	// What is acknowledged may be what dispatch waits for.
	c.acknowledge()
	if u := c.consumer(c.flow.ConsumerID); u != nil {
		if sc := u.attached(); sc != nil {
			sc.Flow(c.flow.Permits)
		}
	}
	return nil
}

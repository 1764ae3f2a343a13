package server

import (
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/internal/fault"
)

// AUTH_RESPONSE answers a challenge. We send none, so it is refused.
func handleAuthResponse(c *conn, kind wire.Type, _ []byte) error {
	c.fail(noRequest, fault.CommandUnsupported.New("%s without a challenge", kind))
	return nil
}

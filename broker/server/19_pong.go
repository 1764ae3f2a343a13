package server

import "github.com/strobemq/strobe/broker/wire"

// PONG answers our ping. That bytes came is what counts, see conn.read.
func handlePong(*conn, wire.Type, []byte) error { return nil }

package server

import (
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/internal/fault"
)

// The commands of transactions, 50 to 63. There is no coordinator yet: each is answered with the error of its own response. All begin
// with the request id and, but for NEW_TXN and TC_CLIENT_CONNECT_REQUEST, name the transaction in the same fields.
func handleTxn(c *conn, kind wire.Type, body []byte) error {
	m := &pb.EndTxn{} // what differs in the others' fields 4 and up is skipped as unknown
	if err := wire.DecodeBody(kind, body, m); err != nil {
		return fault.CommandMalformed.New("%w", err)
	}
	text := fault.TransactionsUnsupported.New("%s", kind).Error()
	code := wire.NotAllowedError
	switch kind {
	case wire.TypeTcClientConnect:
		c.reply(wire.TypeTcClientConnectResponse, &pb.TcClientConnectResponse{RequestId: m.RequestId, Error: &code, Message: &text})
	case wire.TypeNewTxn:
		c.reply(wire.TypeNewTxnResponse, &pb.NewTxnResponse{RequestId: m.RequestId, Error: &code, Message: &text})
	default:
		// A response's id is its request's plus one.
		c.reply(kind+1, &pb.TxnResponse{
			RequestId: m.RequestId, TxnidLeastBits: m.TxnidLeastBits, TxnidMostBits: m.TxnidMostBits, Error: &code, Message: &text,
		})
	}
	return nil
}

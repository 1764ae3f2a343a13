package server

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/internal/fault"
)

// handler does one command on the reader's goroutine; what may block it starts with conn.request. The body is lent until it
// returns. An error ends the connection.
type handler func(c *conn, kind wire.Type, body []byte) error

// handlers is every command that clients may send after CONNECT. SEND, ACK and FLOW are not here because they are gathered, see
// conn.handle.
var handlers = [wire.TypeTopicMigrated + 1]handler{
	wire.TypeConnect:                 handleConnectAgain,
	wire.TypeSubscribe:               handleSubscribe,
	wire.TypeProducer:                handleProducer,
	wire.TypeUnsubscribe:             handleUnsubscribe,
	wire.TypeCloseProducer:           handleCloseProducer,
	wire.TypeCloseConsumer:           handleCloseConsumer,
	wire.TypePing:                    handlePing,
	wire.TypePong:                    handlePong,
	wire.TypeRedeliverUnacknowledged: handleRedeliver,
	wire.TypePartitionedMetadata:     handlePartitionedMetadata,
	wire.TypeLookup:                  handleLookup,
	wire.TypeConsumerStats:           handleConsumerStats,
	wire.TypeSeek:                    handleSeek,
	wire.TypeGetLastMessageID:        handleGetLastMessageID,
	wire.TypeGetTopicsOfNamespace:    handleGetTopics,
	wire.TypeGetSchema:               handleGetSchema,
	wire.TypeAuthResponse:            handleAuthResponse,
	wire.TypeGetOrCreateSchema:       handleGetOrCreateSchema,
	wire.TypeNewTxn:                  handleTxn,
	wire.TypeAddPartitionToTxn:       handleTxn,
	wire.TypeAddSubscriptionToTxn:    handleTxn,
	wire.TypeEndTxn:                  handleTxn,
	wire.TypeEndTxnOnPartition:       handleTxn,
	wire.TypeEndTxnOnSubscription:    handleTxn,
	wire.TypeTcClientConnect:         handleTxn,
	wire.TypeWatchTopicList:          handleWatchTopicList,
	wire.TypeWatchTopicListClose:     handleWatchTopicListClose,
}

func handlerOf(t wire.Type) handler {
	if int64(t) < int64(len(handlers)) {
		return handlers[t]
	}
	return nil
}

// refuseUnknown answers a command that is no command of a client. Nearly every request begins with its request id, so the answer
// carries what stands there; without it, clients log the answer and go on.
func (c *conn) refuseUnknown(t wire.Type, body []byte) {
	request := uint64(noRequest)
	if num, typ, n := protowire.ConsumeTag(body); n > 0 && num == 1 && typ == protowire.VarintType {
		if v, m := protowire.ConsumeVarint(body[n:]); m > 0 {
			request = v
		}
	}
	err := fault.CommandUnknown.New("%s", t)
	c.warn(err)
	c.fail(request, err)
}

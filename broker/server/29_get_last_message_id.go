package server

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
)

// GET_LAST_MESSAGE_ID asks for the last message of a consumer's topic, and up to where its subscription has acknowledged. Answered with
// GET_LAST_MESSAGE_ID_RESPONSE.
func handleGetLastMessageID(c *conn, kind wire.Type, body []byte) error {
	m := &pb.GetLastMessageId{}
	if err := wire.DecodeBody(kind, body, m); err != nil {
		return fault.CommandMalformed.New("%w", err)
	}
	u := c.consumer(m.GetConsumerId())
	if u == nil || u.attached() == nil {
		c.fail(m.GetRequestId(), fault.ConsumerUnknown.New("GET_LAST_MESSAGE_ID of consumer %d", m.GetConsumerId()))
		return nil
	}
	sub := u.attached().Subscription()
	c.request(func(ctx context.Context) {
		if err := c.s.o.Authorize(ctx, c.principal, Consume, u.topic.Name().String()); err != nil {
			c.fail(m.GetRequestId(), err)
			return
		}
		last, err := u.topic.Last(ctx)
		if err != nil {
			c.fail(m.GetRequestId(), err)
			return
		}
		id := messageID(last.Position, u.partition)
		id.BatchIndex = &last.BatchIndex
		if last.BatchIndex >= 0 {
			id.BatchSize = &last.BatchSize
		}
		r := &pb.GetLastMessageIdResponse{RequestId: m.RequestId, LastMessageId: id}
		if cursor := sub.Cursor(); cursor != nil {
			r.ConsumerMarkDeletePosition = entryID(cursor.MarkDelete())
		}
		c.reply(wire.TypeGetLastMessageIDResponse, r)
	})
	return nil
}

func messageID(p bk.Position, partition int32) *pb.MessageId {
	m := entryID(p)
	m.Partition = &partition
	return m
}

func entryID(p bk.Position) *pb.MessageId {
	return &pb.MessageId{LedgerId: proto.Uint64(uint64(p.Ledger)), EntryId: proto.Uint64(uint64(p.Entry))}
}

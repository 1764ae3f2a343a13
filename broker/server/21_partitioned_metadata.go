package server

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/internal/fault"
)

// PARTITIONED_METADATA asks how many partitions a topic has. Answered with PARTITIONED_METADATA_RESPONSE; 0: it is not partitioned.
func handlePartitionedMetadata(c *conn, kind wire.Type, body []byte) error {
	m := &pb.PartitionedMetadata{}
	if err := wire.DecodeBody(kind, body, m); err != nil {
		return fault.CommandMalformed.New("%w", err)
	}
	c.request(func(ctx context.Context) {
		r := &pb.PartitionedMetadataResponse{RequestId: m.RequestId, Response: pb.PartitionedMetadataResponse_SUCCESS.Enum()}
		n, err := c.partitions(ctx, m)
		if err != nil {
			code, text := refusal(err)
			r.Response, r.Error, r.Message = pb.PartitionedMetadataResponse_FAILED.Enum(), &code, &text
		} else {
			r.Partitions = proto.Uint32(uint32(n))
		}
		c.reply(wire.TypePartitionedMetadataResponse, r)
	})
	return nil
}

func (c *conn) partitions(ctx context.Context, m *pb.PartitionedMetadata) (int, error) {
	n, err := topic.ParseName(m.GetTopic())
	if err != nil {
		return 0, err
	}
	if err := c.s.o.Authorize(ctx, c.principal, Look, n.String()); err != nil {
		return 0, err
	}
	if c.isLeaving() {
		return 0, fault.ShuttingDown.New("")
	}
	return c.s.o.Partitions(ctx, n, m.GetMetadataAutoCreationEnabled())
}

func (c *conn) isLeaving() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leaving
}

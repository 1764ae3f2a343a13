package server

import (
	"context"

	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/internal/fault"
)

// GET_OR_CREATE_SCHEMA stores a schema if it is new and asks for its version. Answered with GET_OR_CREATE_SCHEMA_RESPONSE.
func handleGetOrCreateSchema(c *conn, kind wire.Type, body []byte) error {
	m := &pb.GetOrCreateSchema{}
	if err := wire.DecodeBody(kind, body, m); err != nil {
		return fault.CommandMalformed.New("%w", err)
	}
	c.request(func(ctx context.Context) {
		r := &pb.GetOrCreateSchemaResponse{RequestId: m.RequestId}
		version, err := c.addSchema(ctx, m)
		if err != nil {
			code, text := refusal(err)
			r.ErrorCode, r.ErrorMessage = &code, &text
		} else {
			r.SchemaVersion = orEmpty(version)
		}
		c.reply(wire.TypeGetOrCreateSchemaResponse, r)
	})
	return nil
}

func (c *conn) addSchema(ctx context.Context, m *pb.GetOrCreateSchema) ([]byte, error) {
	n, err := topic.ParseName(m.GetTopic())
	if err != nil {
		return nil, err
	}
	if err := c.s.o.Authorize(ctx, c.principal, Produce, n.String()); err != nil {
		return nil, err
	}
	return c.s.o.Schemas.AddSchema(ctx, n, m.GetSchema())
}

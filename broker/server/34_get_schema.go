package server

import (
	"context"

	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/internal/fault"
)

// GET_SCHEMA asks for a topic's schema, the latest or that of a version. Answered with GET_SCHEMA_RESPONSE.
func handleGetSchema(c *conn, kind wire.Type, body []byte) error {
	m := &pb.GetSchema{}
	if err := wire.DecodeBody(kind, body, m); err != nil {
		return fault.CommandMalformed.New("%w", err)
	}
	c.request(func(ctx context.Context) {
		r := &pb.GetSchemaResponse{RequestId: m.RequestId}
		s, version, err := c.schema(ctx, m)
		if err != nil {
			code, text := refusal(err)
			r.ErrorCode, r.ErrorMessage = &code, &text
		} else {
			r.Schema, r.SchemaVersion = s, version
		}
		c.reply(wire.TypeGetSchemaResponse, r)
	})
	return nil
}

func (c *conn) schema(ctx context.Context, m *pb.GetSchema) (*pb.Schema, []byte, error) {
	n, err := topic.ParseName(m.GetTopic())
	if err != nil {
		return nil, nil, err
	}
	if err := c.s.o.Authorize(ctx, c.principal, Look, n.String()); err != nil {
		return nil, nil, err
	}
	s, version, err := c.s.o.Schemas.Schema(ctx, n, m.GetSchemaVersion())
	if err == nil && s == nil {
		err = fault.SchemaUnavailable.New("%s, version %x", n, m.GetSchemaVersion())
	}
	return s, version, err
}

// noSchemas is a broker without a schema store.
type noSchemas struct{}

func (noSchemas) Schema(context.Context, topic.Name, []byte) (*pb.Schema, []byte, error) {
	return nil, nil, nil
}

func (noSchemas) AddSchema(context.Context, topic.Name, *pb.Schema) ([]byte, error) {
	return nil, fault.CommandUnsupported.New("this broker keeps no schemas")
}

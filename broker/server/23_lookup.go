package server

import (
	"context"

	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/internal/fault"
)

// LOOKUP asks which broker serves a topic. Answered with LOOKUP_RESPONSE.
func handleLookup(c *conn, kind wire.Type, body []byte) error {
	m := &pb.Lookup{}
	if err := wire.DecodeBody(kind, body, m); err != nil {
		return fault.CommandMalformed.New("%w", err)
	}
	c.request(func(ctx context.Context) {
		r := &pb.LookupResponse{RequestId: m.RequestId}
		owner, err := c.lookup(ctx, m)
		switch {
		case err != nil:
			code, text := refusal(err)
			r.Response, r.Error, r.Message = pb.LookupResponse_FAILED.Enum(), &code, &text
		case owner.Redirect:
			r.Response = pb.LookupResponse_REDIRECT.Enum()
		default:
			r.Response = pb.LookupResponse_CONNECT.Enum()
		}
		if err == nil {
			r.BrokerServiceUrl, r.Authoritative = &owner.URL, &owner.Authoritative
			if owner.URLTLS != "" {
				r.BrokerServiceUrlTls = &owner.URLTLS
			}
		}
		c.reply(wire.TypeLookupResponse, r)
	})
	return nil
}

func (c *conn) lookup(ctx context.Context, m *pb.Lookup) (Owner, error) {
	n, err := topic.ParseName(m.GetTopic())
	if err != nil {
		return Owner{}, err
	}
	if err := c.s.o.Authorize(ctx, c.principal, Look, n.String()); err != nil {
		return Owner{}, err
	}
	if c.isLeaving() {
		return Owner{}, fault.ShuttingDown.New("")
	}
	return c.s.o.Lookup(ctx, n, LookupQuery{Listener: m.GetAdvertisedListenerName(), Authoritative: m.GetAuthoritative()})
}

package server

import (
	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/internal/fault"
)

// CONNECT opens a connection: versions, credentials, what both sides can do. Answered with CONNECTED.
//
// Not done: challenges (AUTH_CHALLENGE), so that supports_auth_refresh is not announced; proxying to another broker.
func (c *conn) handleConnect(body []byte) error {
	m := &pb.Connect{}
	if err := wire.DecodeBody(wire.TypeConnect, body, m); err != nil {
		return fault.CommandMalformed.New("%w", err)
	}
	principal, err := c.s.o.Authenticate(c.ctx, Credentials{Method: m.GetAuthMethodName(), Data: m.GetAuthData(), Remote: c.nc.RemoteAddr().String()})
	if err != nil {
		refused := fault.NotAuthenticated.New("%w", err)
		c.fail(noRequest, refused)
		return refused
	}
	c.principal = principal
	c.clientVersion = m.GetClientVersion()
	c.version = min(m.GetProtocolVersion(), wire.ProtocolVersion)
	c.entryMetadata = m.GetFeatureFlags().GetSupportsBrokerEntryMetadata() && !c.s.o.HideEntryMetadata
	c.connected = true
	c.reply(wire.TypeConnected, &pb.Connected{
		ServerVersion:   &c.s.o.Version,
		ProtocolVersion: &c.version,
		MaxMessageSize:  proto.Int32(int32(c.s.o.MaxMessageSize)),
		FeatureFlags: &pb.FeatureFlags{
			SupportsBrokerEntryMetadata:                       proto.Bool(!c.s.o.HideEntryMetadata),
			SupportsTopicWatchers:                             proto.Bool(true),
			SupportsGetPartitionedMetadataWithoutAutoCreation: proto.Bool(true),
		},
	})
	return nil
}

func handleConnectAgain(*conn, wire.Type, []byte) error {
	return fault.NotConnected.New("a second CONNECT")
}

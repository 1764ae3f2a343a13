package topicio

import (
	"errors"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/connectors"
)

// classify gives an error of the broker its class; what is no refusal (a lost connection) stays Retry.
func classify(err error) error {
	var s *ServerError
	if err == nil || !errors.As(err, &s) {
		return err
	}
	switch s.Code {
	case wire.AuthenticationError, wire.AuthorizationError:
		return connectors.As(connectors.NoPermission, err)
	case wire.InvalidTopicName, wire.IncompatibleSchema, wire.TopicTerminatedError, wire.NotAllowedError, wire.UnsupportedVersionError:
		return connectors.As(connectors.BadConfig, err)
	}
	return err
}

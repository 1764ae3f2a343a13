package server

import (
	"context"
	"errors"
	"math"

	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/internal/fault"
)

// noRequest stands where a broker's own command has a request id: -1.
const noRequest = math.MaxUint64

// reply queues a command.
func (c *conn) reply(t wire.Type, m proto.Message) { c.command(wire.AppendCommand(nil, t, m)) }

// fail answers a request with ERROR.
func (c *conn) fail(request uint64, err error) {
	code, text := refusal(err)
	c.reply(wire.TypeError, &pb.Error{RequestId: &request, Error: &code, Message: &text})
}

// request runs a command that may block on a goroutine of its own. do gets the connection's context.
func (c *conn) request(do func(ctx context.Context)) {
	select {
	case c.slots <- struct{}{}:
	case <-c.ctx.Done():
		return
	}
	c.requests.Go(func() {
		defer func() { <-c.slots }()
		do(c.ctx)
	})
}

// refusal is what a client is told about an error: the protocol's code, and a text that begins with ours.
func refusal(err error) (wire.ServerError, string) {
	var r *topic.Refusal
	if errors.As(err, &r) {
		return r.Code, r.Error()
	}
	if f, ok := fault.Of(err); ok {
		return codeOf(f.Fault), f.Error()
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return wire.ServiceNotReady, fault.RequestFailed.New("%w", err).Error()
	}
	return wire.UnknownError, fault.RequestFailed.New("%w", err).Error()
}

// codes are the protocol's codes of faults that come without one; UnknownError for those not listed.
var codes = map[*fault.Fault]wire.ServerError{
	fault.TopicName:               wire.InvalidTopicName,
	fault.TopicNotFound:           wire.TopicNotFound,
	fault.TopicTerminated:         wire.TopicTerminatedError,
	fault.TopicGoing:              wire.ServiceNotReady,
	fault.TopicLoad:               wire.ServiceNotReady,
	fault.NamespaceName:           wire.InvalidTopicName,
	fault.NamespaceNotFound:       wire.TopicNotFound,
	fault.TenantNotFound:          wire.TopicNotFound,
	fault.SubscriptionNotFound:    wire.SubscriptionNotFound,
	fault.NotAuthenticated:        wire.AuthenticationError,
	fault.NotAuthorized:           wire.AuthorizationError,
	fault.ShuttingDown:            wire.ServiceNotReady,
	fault.HandleBusy:              wire.ServiceNotReady,
	fault.ConsumerUnknown:         wire.ConsumerNotFound,
	fault.EntryChecksum:           wire.ChecksumError,
	fault.EntryMalformed:          wire.UnknownError,
	fault.MessageTooLarge:         wire.NotAllowedError,
	fault.CommandUnknown:          wire.UnsupportedVersionError,
	fault.CommandUnsupported:      wire.NotAllowedError,
	fault.TransactionsUnsupported: wire.NotAllowedError,
	fault.SchemaUnavailable:       wire.TopicNotFound,
	fault.SubscribeMalformed:      wire.NotAllowedError,
	fault.SeekMalformed:           wire.NotAllowedError,
}

func codeOf(f *fault.Fault) wire.ServerError {
	if c, ok := codes[f]; ok {
		return c
	}
	return wire.UnknownError
}

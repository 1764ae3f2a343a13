package topic

import (
	"errors"

	"github.com/strobemq/strobe/broker/subscription"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/managed"
)

// Refusal is an error with its answer on the wire.
type Refusal = subscription.Refusal

func refuse(code wire.ServerError, f *fault.Fault, format string, args ...any) *Refusal {
	return subscription.Refuse(code, f, format, args...)
}

// refusalOf makes a Refusal of why a topic could not be loaded or changed.
func refusalOf(n Name, err error) *Refusal {
	var r *Refusal
	switch {
	case errors.As(err, &r):
		return r
	case errors.Is(err, managed.ErrNotFound):
		return refuse(wire.TopicNotFound, fault.TopicNotFound, "%s", n)
	case errors.Is(err, managed.ErrFenced):
		return refuse(wire.ServiceNotReady, fault.TopicFenced, "%s: %w", n, err)
	}
	return refuse(wire.ServiceNotReady, fault.TopicLoad, "%s: %w", n, err)
}

// publishRefusal makes a Refusal of why an entry is not known to be stored.
func publishRefusal(n Name, err error) *Refusal {
	switch {
	case errors.Is(err, managed.ErrTerminated):
		return refuse(wire.TopicTerminatedError, fault.TopicTerminated, "%s", n)
	case errors.Is(err, managed.ErrFenced):
		return refuse(wire.ServiceNotReady, fault.TopicFenced, "%s: %w", n, err)
	case errors.Is(err, bk.ErrTooMany):
		return refuse(wire.TooManyRequests, fault.PublishFailed, "%s: %w", n, err)
	}
	return refuse(wire.PersistenceError, fault.PublishFailed, "%s: %w", n, err)
}

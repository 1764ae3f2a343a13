package placement

import (
	"context"
	"log/slog"
	"time"

	"github.com/strobemq/strobe/storage/meta"
)

// Options of a Placement. Meta, Boundaries, Broker and HTTP are required.
type Options struct {
	Meta meta.Store
	// Boundaries are a namespace's bundles, ascending from 0 to 0xffffffff (policy.Store.Boundaries).
	Boundaries func(ctx context.Context, namespace string) ([]uint32, error)

	// Where clients reach this broker, with the host that is advertised.
	Broker    string // pulsar://host:port
	BrokerTLS string // pulsar+ssl://host:port; empty: none
	HTTP      string // http://host:port
	HTTPTLS   string // https://host:port; empty: none
	Listeners map[string]Listener

	// ID names this broker among others: host:port of its web service. Default: that of HTTP, else of HTTPTLS.
	ID string
	// Version is what others read as this broker's version.
	Version string

	// Lost is told that this broker's session ended: the bundles are no longer its own, and their topics must be closed. It is called on
	// Placement's goroutine, before it registers again, and must not block. Default: nobody is told.
	Lost func()
	Now  func() time.Time // default: time.Now
	Log  *slog.Logger     // default: discard
}

// Listener is one more address of this broker, for clients that ask for it by name.
type Listener struct {
	Broker    string
	BrokerTLS string
	HTTP      string
	HTTPTLS   string
}

func (o Options) withDefaults() Options {
	if o.ID == "" {
		o.ID = hostPort(o.HTTP)
	}
	if o.ID == "" {
		o.ID = hostPort(o.HTTPTLS)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("component", "placement")
	return o
}

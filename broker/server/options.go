package server

import (
	"context"
	"log/slog"
	"time"

	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
)

// Options are the collaborators and limits of a Server. Topics and Lookup are required. The funcs may block on metadata and are
// called without locks; an error that is a *topic.Refusal or a *fault.Error reaches the client with its code.
type Options struct {
	Topics *topic.Topics

	// Lookup says which broker serves a topic.
	Lookup func(ctx context.Context, n topic.Name, q LookupQuery) (Owner, error)
	// Partitions is the number of partitions of a topic; 0: it is not partitioned. With create, a topic that does not exist may be
	// created as policies say; without, it is refused with TOPIC_NOT_FOUND. nil: nothing is partitioned.
	Partitions func(ctx context.Context, n topic.Name, create bool) (int, error)
	// Authenticate turns the credentials of CONNECT into a principal. nil: everybody is let in as "".
	Authenticate func(ctx context.Context, c Credentials) (principal string, err error)
	// Authorize is asked before every command that touches a topic or namespace, with the full name of it; an error refuses. nil: all
	// is allowed.
	Authorize func(ctx context.Context, principal string, a Action, resource string) error
	// Schemas answers GET_SCHEMA and GET_OR_CREATE_SCHEMA. nil: no topic has a schema and none is taken.
	Schemas Schemas

	MaxMessageSize int           // bytes; 0: wire.DefaultMaxMessageSize
	KeepAlive      time.Duration // silence before a client is pinged, and from the ping until it is dropped; 0: 30 s
	PublishBudget  int64         // bytes received and not yet answered, over all connections; 0: 128 MiB
	MaxInFlight    int64         // the same for one connection; 0: half of PublishBudget
	MaxOutput      int           // unwritten bytes of one connection at which dispatch to it pauses; 0: 4 MiB
	MaxRequests    int           // commands of one connection being worked on; 0: 1024

	// HideEntryMetadata keeps broker entry metadata even from clients that ask for it (exposingBrokerEntryMetadataToClientEnabled=false).
	HideEntryMetadata bool
	// NoBatchIndexAck ignores acknowledgements of single messages of a batch (acknowledgmentAtBatchIndexLevelEnabled=false).
	NoBatchIndexAck bool

	Version string       // shown to clients; empty: "Strobe"
	Log     *slog.Logger // nil: discard
}

func (o Options) withDefaults() Options {
	if o.Partitions == nil {
		o.Partitions = func(context.Context, topic.Name, bool) (int, error) { return 0, nil }
	}
	if o.Authenticate == nil {
		o.Authenticate = func(context.Context, Credentials) (string, error) { return "", nil }
	}
	if o.Authorize == nil {
		o.Authorize = func(context.Context, string, Action, string) error { return nil }
	}
	if o.Schemas == nil {
		o.Schemas = noSchemas{}
	}
	if o.MaxMessageSize == 0 {
		o.MaxMessageSize = wire.DefaultMaxMessageSize
	}
	if o.KeepAlive == 0 {
		o.KeepAlive = 30 * time.Second
	}
	if o.PublishBudget == 0 {
		o.PublishBudget = 128 << 20
	}
	if o.MaxInFlight == 0 {
		o.MaxInFlight = o.PublishBudget / 2
	}
	if o.MaxOutput == 0 {
		o.MaxOutput = 4 << 20
	}
	if o.MaxRequests == 0 {
		o.MaxRequests = 1024
	}
	if o.Version == "" {
		o.Version = "Strobe"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// LookupQuery is what LOOKUP says besides the topic.
type LookupQuery struct {
	Listener      string // advertised_listener_name; empty: the default
	Authoritative bool   // another broker sent the client here
}

// Owner is where a topic is served.
type Owner struct {
	URL    string // pulsar://host:port
	URLTLS string // pulsar+ssl://host:port; empty: no TLS
	// Redirect sends the client to ask that broker instead of connecting to it.
	Redirect      bool
	Authoritative bool
}

// Credentials are what CONNECT says about who connects.
type Credentials struct {
	Method string
	Data   []byte
	Remote string // address
}

// Action is what a client wants to do, with Pulsar's names of permissions where there is one.
type Action string

const (
	Produce Action = "produce" // on a topic
	Consume Action = "consume" // on a topic
	Look    Action = "lookup"  // find a topic, read its schema
	List    Action = "list"    // the topics of a namespace
)

// Schemas is the store of schemas as far as connections need it. An error is a *topic.Refusal or a *fault.Error.
type Schemas interface {
	// Schema returns a topic's schema of a version, and the version; version nil: the latest. A nil schema: there is none.
	Schema(ctx context.Context, n topic.Name, version []byte) (*pb.Schema, []byte, error)
	// AddSchema stores s if it is new and compatible, and returns its version. Durable when it returns.
	AddSchema(ctx context.Context, n topic.Name, s *pb.Schema) (version []byte, err error)
}

package topic

import (
	"context"
	"log/slog"
	"time"

	"github.com/strobemq/strobe/broker/subscription"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/storage/managed"
)

// Options are the collaborators of a Topics registry. Managed and NextProducer are required; a nil func means what its comment says. The
// funcs may block on metadata; they are called without locks.
type Options struct {
	Managed *managed.Manager
	Log     *slog.Logger // nil: discard

	// Cluster and NextProducer make producer names: "<cluster>-<number of this broker's life>-<counter>". NextProducer is asked once,
	// at the first name, for a number no other broker of the cluster gets.
	Cluster      string
	NextProducer func(ctx context.Context) (int64, error)

	// Own is asked before a topic is loaded, and again when it is; an error (a *Refusal) says that another broker serves it, which a load would take it from.
	// nil: all topics are this broker's.
	Own func(ctx context.Context, n Name) error
	// Settings says how a topic is kept. Asked at each load and by Topics.Refresh. nil: the zero Settings.
	Settings func(ctx context.Context, n Name) (Settings, error)
	// Create is asked before a topic that does not exist is created on somebody's first use; an error (a *Refusal) forbids it.
	// nil: always allowed.
	Create func(ctx context.Context, n Name) error
	// Created and Deleted tell of a topic's node that came or went. nil: nobody cares.
	Created func(n Name)
	Deleted func(n Name)
	// Schema stores or checks the schema that came with PRODUCER or SUBSCRIBE and returns its version for PRODUCER_SUCCESS; a
	// *Refusal when it is incompatible. nil: any schema is accepted and has no version.
	Schema func(ctx context.Context, n Name, s *pb.Schema) (version []byte, err error)

	// Readers bounds how many subscriptions read from disk at the same time; nil: subscription.NewReaders(0).
	Readers *subscription.Readers

	Now func() time.Time // nil: time.Now
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Readers == nil {
		o.Readers = subscription.NewReaders(0)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Cluster == "" {
		o.Cluster = "standalone"
	}
	return o
}

// Settings are what policies say about one topic. The zero value is a topic without deduplication whose consumed entries go.
type Settings struct {
	Managed managed.Config // how entries are stored and kept; zero fields take the Manager's defaults
	Dedup   bool
	// DedupEntries and DedupBytes: a deduplication snapshot is written when so much was published since the last. 0: 1000, 16 MiB.
	DedupEntries int
	DedupBytes   int64

	MaxProducers int // 0: no limit
	Limits       subscription.Limits
	// NoSubscriptionCreation refuses subscriptions that do not exist (allowAutoSubscriptionCreation=false).
	NoSubscriptionCreation bool
	// NoEntryMetadata leaves out index and broker timestamp in front of new entries.
	NoEntryMetadata bool
}

func (s Settings) withDefaults() Settings {
	if s.DedupEntries == 0 {
		s.DedupEntries = 1000
	}
	if s.DedupBytes == 0 {
		s.DedupBytes = 16 << 20
	}
	return s
}

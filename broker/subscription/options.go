package subscription

import (
	"log/slog"
	"time"

	"github.com/strobemq/strobe/storage/managed"
)

// Options are what a Subscription is made of.
type Options struct {
	Topic string // full name; also salts the choice of the active consumer
	Name  string
	Log   *slog.Logger // nil: discard

	// Partition is the topic's number in its partitioned topic; negative: it is not a partition.
	Partition int

	// Ledger and Cursor are where entries come from and where acknowledgements go; the Subscription closes neither. Both are nil for
	// a subscription of a non-persistent topic, to which entries are pushed.
	Ledger *managed.Ledger
	Cursor *managed.Cursor

	// Readers is the process's budget of goroutines that read from disk. Required with Ledger.
	Readers *Readers

	Limits Limits

	// Compacted is set for a reader that asked for the compacted topic. Until compaction exists it reads everything.
	Compacted bool

	// Empty is called, off the subscription's lock, when its last consumer closed. nil: nobody cares.
	Empty func(s *Subscription)

	Now func() time.Time // nil: time.Now
}

// Limits bound what one subscription holds. Zero fields take the defaults; negative: no limit.
type Limits struct {
	UnackedPerConsumer     int // messages; 50 000 (maxUnackedMessagesPerConsumer); shared types only
	UnackedPerSubscription int // messages; 200 000 (maxUnackedMessagesPerSubscription); shared types only
	Consumers              int // no limit by default (maxConsumersPerSubscription)
	RoundRobin             int // messages given to one shared consumer before it is the next one's turn; 20
	ReadBytes              int // payload read from disk at a time; 1 MiB
	ReadEntries            int // entries taken from the cache at a time; 128
	AckHoles               int // runs of acknowledged entries behind the first open one; beyond it nothing new is given out; 10 000; shared types only
	LookAhead              int // entries a key-shared subscription holds back for consumers that take none now; 20 000
}

func (l Limits) withDefaults() Limits {
	orElse(&l.UnackedPerConsumer, 50_000)
	orElse(&l.UnackedPerSubscription, 200_000)
	orElse(&l.AckHoles, 10_000)
	orElse(&l.RoundRobin, 20)
	orElse(&l.ReadBytes, 1<<20)
	orElse(&l.ReadEntries, 128)
	orElse(&l.LookAhead, 20_000)
	return l
}

func orElse(v *int, d int) {
	if *v == 0 {
		*v = d
	}
}

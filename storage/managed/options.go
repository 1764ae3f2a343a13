package managed

import (
	"log/slog"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/meta"
)

// Options are what a Manager is made of. Ledgers and Meta are required.
type Options struct {
	Ledgers bk.Ledgers
	Meta    meta.Store
	Log     *slog.Logger // nil: discard

	// CacheBytes is the budget of the read cache; 0: 48 MiB, negative: no cache.
	CacheBytes int64
	// Defaults fill the zero fields of a Config; its own zero fields are filled with the built-in defaults.
	Defaults Config
	// Workers bounds how many managed ledgers and cursors do blocking work (metadata, creating and recovering ledgers) at
	// the same time; 0: 128. There are no goroutines when there is no work.
	Workers int
	// FlushInterval is the shortest time between two writes of one cursor's position; 0: 1 s.
	FlushInterval time.Duration
	// FlushRate bounds the cursor positions written per second in the whole process; 0: 2000. Cursors beyond it wait their
	// turn, which costs redeliveries after a crash, never an entry.
	FlushRate int
	// ClockGrace is how long after the start time-based retention deletes nothing, so that a clock set wrong at boot can be
	// put right first; 0: 5 min, negative: none.
	ClockGrace time.Duration
	// ClockAhead is by how much this process's wall clock may be ahead of those of the processes that ledgers are shared with; nil: by
	// nothing. Retention by time ends that much later.
	ClockAhead func() time.Duration
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 48 << 20
	}
	if o.Workers == 0 {
		o.Workers = 128
	}
	if o.FlushInterval == 0 {
		o.FlushInterval = time.Second
	}
	if o.FlushRate == 0 {
		o.FlushRate = 2000
	}
	if o.ClockGrace == 0 {
		o.ClockGrace = 5 * time.Minute
	}
	o.Defaults = o.Defaults.over(builtin)
	return o
}

// Config says how one managed ledger stores and keeps its entries. Zero fields take the Manager's defaults.
type Config struct {
	Quorum bk.Quorum // built in: 1/1/1
	Digest bk.Digest // built in: CRC32C

	// A ledger is closed and the next one begun when it holds MaxEntriesPerLedger entries (50 000) or MaxBytesPerLedger bytes
	// (2 GiB) and is at least MinRollover old (0), or when it is MaxRollover old (4 h, up to 5 % more so that topics do not roll
	// at once). InactiveRollover closes a ledger that nothing was written to for so long (0: never).
	MaxEntriesPerLedger int64
	MaxBytesPerLedger   int64
	MinRollover         time.Duration
	MaxRollover         time.Duration
	InactiveRollover    time.Duration

	// Entries that every cursor has consumed stay for RetentionTime and while the topic is smaller than RetentionBytes: a
	// ledger goes as soon as one of them is exceeded. 0: nothing is kept once consumed; negative: no limit (interop §7.6).
	RetentionTime  time.Duration
	RetentionBytes int64

	// AppendTimeout is how long appends wait for a ledger that cannot be created or recovered before they fail; 0: 30 s.
	AppendTimeout time.Duration

	// MaxRanges bounds the acknowledged ranges that one position written to a cursor ledger holds (10 000), MaxNodeRanges those
	// written to a metadata node (1000), MaxBatchSets the partly acknowledged batches (10 000). What does not fit is redelivered
	// after a restart.
	MaxRanges     int
	MaxNodeRanges int
	MaxBatchSets  int
	// A cursor ledger is replaced when it holds CursorMaxEntries positions (50 000) or is CursorRollover old (4 h).
	CursorMaxEntries int64
	CursorRollover   time.Duration
}

var builtin = Config{
	Quorum: bk.Quorum{Ensemble: 1, Write: 1, Ack: 1}, Digest: bk.DigestCRC32C,
	MaxEntriesPerLedger: 50_000, MaxBytesPerLedger: 2 << 30, MaxRollover: 4 * time.Hour,
	AppendTimeout: 30 * time.Second,
	MaxRanges:     10_000, MaxNodeRanges: 1000, MaxBatchSets: 10_000, CursorMaxEntries: 50_000, CursorRollover: 4 * time.Hour,
}

// over fills the zero fields of c from base.
func (c Config) over(base Config) Config {
	if c.Quorum == (bk.Quorum{}) {
		c.Quorum = base.Quorum
	}
	orElse(&c.Digest, base.Digest)
	orElse(&c.MaxEntriesPerLedger, base.MaxEntriesPerLedger)
	orElse(&c.MaxBytesPerLedger, base.MaxBytesPerLedger)
	orElse(&c.MinRollover, base.MinRollover)
	orElse(&c.MaxRollover, base.MaxRollover)
	orElse(&c.InactiveRollover, base.InactiveRollover)
	orElse(&c.RetentionTime, base.RetentionTime)
	orElse(&c.RetentionBytes, base.RetentionBytes)
	orElse(&c.AppendTimeout, base.AppendTimeout)
	orElse(&c.MaxRanges, base.MaxRanges)
	orElse(&c.MaxNodeRanges, base.MaxNodeRanges)
	orElse(&c.MaxBatchSets, base.MaxBatchSets)
	orElse(&c.CursorMaxEntries, base.CursorMaxEntries)
	orElse(&c.CursorRollover, base.CursorRollover)
	return c
}

func orElse[T comparable](v *T, base T) {
	var zero T
	if *v == zero {
		*v = base
	}
}

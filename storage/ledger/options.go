package ledger

import (
	"io"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Options of a Client. The zero value is good.
type Options struct {
	// AddTimeout is how long a bookie may owe answers to adds without giving any; then it counts as failed. 0: 10 s.
	AddTimeout time.Duration
	// ReadTimeout bounds a read from one bookie. 0: 10 s.
	ReadTimeout time.Duration
	// Patience is how long a read waits for one bookie while there is another to be asked. 0: 500 ms.
	Patience time.Duration
	// Quarantine is the longest time for which a bookie that failed is no replacement, and is taken for new ledgers only when
	// there is no other. One that hung gets all of it at once; else it begins at a sixteenth and doubles with each failure. 0: 30 s.
	Quarantine time.Duration
	// Retry is how often a ledger that misses a bookie looks for one while it has its ack quorum. Without one it looks more often. 0: 5 s.
	Retry time.Duration
	// QuorumWait is how long adds wait when too few bookies for their ack quorum are left and none replaces the others; then the
	// ledger ends with bk.ErrNotEnough. A recovery does not wait. 0: 30 s.
	QuorumWait time.Duration
	// FencedWait is how long the Close of a fenced writer waits for the recoverer to close the ledger. 0: 30 s.
	FencedWait time.Duration
	Log        *slog.Logger // nil: nothing is logged

	pick func(n int) int // tests: repeatable choices
}

func (o Options) withDefaults() Options {
	for _, d := range []struct {
		v *time.Duration
		d time.Duration
	}{
		{&o.AddTimeout, 10 * time.Second}, {&o.ReadTimeout, 10 * time.Second}, {&o.Patience, 500 * time.Millisecond},
		{&o.Quarantine, 30 * time.Second}, {&o.Retry, 5 * time.Second}, {&o.QuorumWait, 30 * time.Second}, {&o.FencedWait, 30 * time.Second},
	} {
		if *d.v <= 0 {
			*d.v = d.d
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if o.pick == nil {
		o.pick = rand.IntN
	}
	return o
}

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
	// Quarantine is how long a bookie that failed is taken for new ledgers and as a replacement only when there is no
	// other. 0: 30 s.
	Quarantine time.Duration
	// Retry is how often a ledger that misses a bookie looks for one. 0: 5 s.
	Retry time.Duration
	// FencedWait is how long the Close of a fenced writer waits for the recoverer to close the ledger. 0: 30 s.
	FencedWait time.Duration
	Log        *slog.Logger // nil: nothing is logged

	pick   func(n int) int // tests: repeatable choices
	mutant mutant          // tests: a mistake that the suite must find
}

func (o Options) withDefaults() Options {
	for _, d := range []struct {
		v *time.Duration
		d time.Duration
	}{
		{&o.AddTimeout, 10 * time.Second}, {&o.ReadTimeout, 10 * time.Second}, {&o.Quarantine, 30 * time.Second},
		{&o.Retry, 5 * time.Second}, {&o.FencedWait, 30 * time.Second},
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

// mutant is a mistake built in on purpose: the simulation counts only if it finds each of them.
type mutant uint8

const (
	mutantNone            mutant = iota
	mutantAckEarly               // acknowledge one replica before the ack quorum
	mutantSkipRecoveryAdd        // recovery closes the ledger at what it read without writing it again
	mutantFenceOne               // recovery believes the first answer to its fencing reads, and does not fence as it reads on
	mutantMissingEarly           // one bookie without the entry is proof enough that there is none
	mutantKeepAcks               // an ensemble change keeps the acknowledgements of the bookie that went
	mutantCloseOverFence         // a fenced writer closes the ledger at its own end
	mutantTailLAC                // recovery lets the entries it writes again tell how far it came
	mutantPersistEarly           // recovery's ensemble change goes to the metadata before the ledger is closed
)

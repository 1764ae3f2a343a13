package server

import (
	"io"
	"log/slog"
	"time"

	"github.com/strobemq/strobe/storage/bkwire"
)

// Options of a Server. The zero value is good.
type Options struct {
	MaxFrame        int           // bytes of the largest request, without the length prefix; 0: bkwire.MaxFrame
	MaxBatch        int           // bytes of the largest answer to a batched read but for its first entry; 0: 5 MiB
	MaxConns        int           // connections at once; 0: 4096
	MaxReads        int           // reads of one connection that wait; more are answered with bk.ErrTooMany. 0: 10 000
	MaxOutput       int           // bytes of answers not written from which a connection's reads wait; 0: 16 MiB
	ReadWorkers     int           // 0: 8
	PriorityWorkers int           // for reads that fence or have priority; 0: 8
	WriteTimeout    time.Duration // how long a client may take to accept one batch of answers; 0: 30 s
	DrainTime       time.Duration // how long Close waits for clients to take their answers; 0: 5 s
	Log             *slog.Logger  // nil: nothing is logged
}

func (o Options) withDefaults() Options {
	for _, n := range []struct {
		v *int
		n int
	}{
		{&o.MaxFrame, bkwire.MaxFrame}, {&o.MaxBatch, 5 << 20}, {&o.MaxConns, 4096}, {&o.MaxReads, 10_000}, {&o.MaxOutput, 16 << 20},
		{&o.ReadWorkers, 8}, {&o.PriorityWorkers, 8},
	} {
		if *n.v <= 0 {
			*n.v = n.n
		}
	}
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = 30 * time.Second
	}
	if o.DrainTime <= 0 {
		o.DrainTime = 5 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	return o
}

// mostOutput is how many bytes may wait for a client before it is taken for stuck: what a connection has when its reads begin
// to wait, what the workers are at, and as much again for answers to adds.
func (o *Options) mostOutput() int {
	return 2*o.MaxOutput + (o.ReadWorkers+o.PriorityWorkers)*max(o.MaxFrame, o.MaxBatch)
}

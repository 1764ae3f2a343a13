package bookie

import (
	"io"
	"log/slog"
	"time"
)

// Options of a bookie. The zero value is good.
type Options struct {
	QueueBytes int64        // of adds in flight on one connection; 0: 128 MiB
	Log        *slog.Logger // nil: nothing is logged
	GCInterval time.Duration
}

func (o Options) withDefaults() Options {
	if o.QueueBytes <= 0 {
		o.QueueBytes = 128 << 20
	}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	return o
}

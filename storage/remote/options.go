package remote

import (
	"context"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/strobemq/strobe/storage/bkwire"
)

// Options of a Dialer. The zero value is good.
type Options struct {
	QueueBytes int64         // of adds to one bookie that are not answered; above it bk.ErrTooMany. 0: 64 MiB
	MaxReads   int           // reads of one connection that are not answered; above it bk.ErrTooMany. 0: 10 000
	MaxFrame   int           // bytes of the largest frame, without the length prefix, as the bookies have it; 0: bkwire.MaxFrame
	Timeout    time.Duration // how long a bookie may owe answers without sending anything; 0: 30 s
	DialTime   time.Duration // how long connecting may take; 0: 5 s
	MaxPause   time.Duration // the longest pause between attempts to connect; they begin at 20 ms and double; whoever lacks an ack quorum waits it out. 0: 1 s
	// Dial connects; nil: TCP.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	Log  *slog.Logger // nil: nothing is logged
}

func (o Options) withDefaults() Options {
	for _, d := range []struct {
		v *time.Duration
		d time.Duration
	}{{&o.Timeout, 30 * time.Second}, {&o.DialTime, 5 * time.Second}, {&o.MaxPause, time.Second}} {
		if *d.v <= 0 {
			*d.v = d.d
		}
	}
	if o.QueueBytes <= 0 {
		o.QueueBytes = 64 << 20
	}
	if o.MaxReads <= 0 {
		o.MaxReads = 10_000
	}
	if o.MaxFrame <= 0 {
		o.MaxFrame = bkwire.MaxFrame
	}
	if o.Dial == nil {
		var d net.Dialer
		o.Dial = func(ctx context.Context, addr string) (net.Conn, error) { return d.DialContext(ctx, "tcp", addr) }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	return o
}

package instance

import (
	"log/slog"
	"time"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/runtime/functions"
)

// Options describe one instance. The loop owns Source, Processor and Sink and closes them at its end.
type Options struct {
	Spec  functions.Spec
	Index int // of the instance, from 0

	Source    connectors.Source
	Processor connectors.Processor // nil: records go through as they are
	Sink      connectors.Sink      // also takes the dead letters, which name their own topic

	Log    *slog.Logger // the process's own log; nil: none
	Events *slog.Logger // what `strobe functions logs` shows: here go the guest's lines, and the loop's about retried and parked messages; nil: none
	Meter  *Meter       // the connector's own counters, shown in the status; may be nil

	// Limits; 0 is the default.

	MaxRecords   int   // read and not yet acknowledged; 10 000
	MaxBytes     int64 // of these records; 64 MiB. One batch may go beyond either
	CallRecords  int   // in one call of Process; 500
	CallBytes    int64 // of them; 1 MiB
	WriteRecords int   // outputs that wait to be written; 10 000. The outputs of one call may go beyond either
	WriteBytes   int64 // of them; 4 MiB

	RecordBackoff  Backoff       // between the attempts of a record; 100 ms to 30 s
	ConnectBackoff Backoff       // between attempts to connect and to write; 100 ms to 30 s
	PermissionWait time.Duration // between attempts when permission is missing; 30 s
	DrainTime      time.Duration // given to what is in flight when the instance ends because of an error; 30 s
}

// defaultAttempts is how often a record is tried when its Spec does not say.
const defaultAttempts = 5

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Events == nil {
		o.Events = slog.New(slog.DiscardHandler)
	}
	if o.Meter == nil {
		o.Meter = &Meter{}
	}
	if o.Spec.DeadLetter == "" {
		o.Spec.DeadLetter = functions.DeadLetterTopic(o.Spec.FQName)
	}
	if o.Spec.MaxAttempts <= 0 {
		o.Spec.MaxAttempts = defaultAttempts
	}
	if o.Spec.Guarantee == string(connectors.AtMostOnce) {
		o.Spec.MaxAttempts = 1
	}
	set(&o.MaxRecords, 10_000)
	set(&o.MaxBytes, 64<<20)
	set(&o.CallRecords, 500)
	set(&o.CallBytes, 1<<20)
	set(&o.WriteRecords, 10_000)
	set(&o.WriteBytes, 4<<20)
	o.RecordBackoff = o.RecordBackoff.withDefaults()
	o.ConnectBackoff = o.ConnectBackoff.withDefaults()
	set(&o.PermissionWait, 30*time.Second)
	set(&o.DrainTime, 30*time.Second)
	return o
}

func set[T int | int64 | time.Duration](v *T, otherwise T) {
	if *v <= 0 {
		*v = otherwise
	}
}

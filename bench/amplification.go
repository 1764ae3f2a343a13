package main

import (
	"context"
	"fmt"
	"time"

	"github.com/strobemq/strobe/bench/machine"
	"github.com/strobemq/strobe/bench/report"
)

// measureWriteAmplification publishes with a consumer that acknowledges: once to fill the first files of the log, then again, counting what
// the server made the kernel write.
func measureWriteAmplification(ctx context.Context, b *bench) error {
	s := batched
	server, err := b.start(ctx, "amplification")
	if err != nil {
		return err
	}
	defer server.Close()
	e, err := strobeEnds(ctx, server, s)
	defer e.close()
	if err != nil {
		return err
	}
	bytes := b.amplify << 30
	if b.quick {
		bytes /= 8
	}
	entries := bytes / s.Bytes()
	fill := func() error {
		if err := e.producer.Fill(ctx, s.window, entries); err != nil {
			return err
		}
		return e.delivered(ctx)
	}
	if err := fill(); err != nil {
		return err
	}
	before, err := machine.Written(server.PID)
	if err != nil {
		b.add(report.Row{What: "write amplification", Note: err.Error()})
		return nil
	}
	begun := time.Now()
	if err := fill(); err != nil {
		return err
	}
	after, err := machine.Written(server.PID)
	if err != nil {
		return err
	}
	b.add(report.Row{What: fmt.Sprintf("write amplification over %d MiB after as many, %s", bytes>>20, s.Shape), Unit: report.Plain,
		Product: float64(after-before) / float64(entries*s.Bytes()), Note: "in " + report.Format(time.Since(begun).Seconds(), report.Seconds)})
	return nil
}

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/strobemq/strobe/bench/machine"
	"github.com/strobemq/strobe/bench/report"
)

// maxAmplification is how many bytes may be written for each byte published and copy kept.
const maxAmplification = 1.15

// measureWriteAmplification publishes with a consumer that acknowledges: once to fill the first files of the log, then again, counting what
// the bookies made the kernel write.
func measureWriteAmplification(f form) func(context.Context, *bench) error {
	return func(ctx context.Context, b *bench) error { return b.writeAmplification(ctx, f) }
}

func (b *bench) writeAmplification(ctx context.Context, f form) error {
	s := batched
	server, err := b.deploy(ctx, f, b.strobe, "amplification")
	if err != nil {
		return err
	}
	defer server.Close()
	e, err := strobeEnds(ctx, server.Process, s)
	defer e.close()
	if err != nil {
		return err
	}
	bytes := b.smaller(b.amplify << 30)
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
	before, err := written(server)
	if err != nil {
		b.add(report.Row{What: "write amplification", Note: err.Error()})
		return nil
	}
	begun := time.Now()
	if err := fill(); err != nil {
		return err
	}
	after, err := written(server)
	if err != nil {
		return err
	}
	copies := len(server.bookies())
	what := fmt.Sprintf("write amplification over %d MiB after as many, %s", bytes>>20, s.Shape)
	if copies > 1 {
		what = fmt.Sprintf("write amplification for each of %d copies over %d MiB after as many, %s", copies, bytes>>20, s.Shape)
	}
	b.add(report.Row{What: what, Unit: report.Plain, Product: float64(after-before) / float64(copies*entries*s.Bytes()),
		Goal: report.AtMost(maxAmplification), Note: "in " + report.Format(time.Since(begun).Seconds(), report.Seconds)})
	return nil
}

// written is what all bookies made the kernel write.
func written(d *deployment) (int64, error) {
	var sum int64
	for _, p := range d.bookies() {
		v, err := machine.Written(p.PID)
		if err != nil {
			return 0, err
		}
		sum += v
	}
	return sum, nil
}

package main

import (
	"context"
	"time"

	"github.com/strobemq/strobe/bench/machine"
	"github.com/strobemq/strobe/bench/report"
)

const (
	settle    = 3 * time.Second
	idleFor   = 10 * time.Second
	afterward = 30 * time.Second
	maxRSS    = 60 << 20
)

// measureIdle looks at a fresh server that nobody uses, then at one that took 10 000 messages, half a minute later.
func measureIdle(ctx context.Context, b *bench) error {
	s, err := b.start(ctx, "idle")
	if err != nil {
		return err
	}
	defer s.Close()
	if err := rest(ctx, settle); err != nil {
		return err
	}
	fresh, err := machine.RSS(s.PID)
	if err != nil {
		b.add(report.Row{What: "resident memory", Note: err.Error()})
		return nil
	}
	used := machine.CPU(s.PID)
	if err := rest(ctx, idleFor); err != nil {
		return err
	}
	used = machine.CPU(s.PID) - used

	e, err := strobeEnds(ctx, s, single)
	defer e.close()
	if err == nil {
		err = e.producer.Fill(ctx, 1000, 10_000)
	}
	if err == nil {
		err = e.delivered(ctx)
	}
	if err != nil {
		return err
	}
	if err := rest(ctx, afterward); err != nil {
		return err
	}
	after, err := machine.RSS(s.PID)
	if err != nil {
		return err
	}
	b.add(report.Row{What: "resident memory, idle", Unit: report.Megabytes, Product: float64(fresh), Goal: report.Goal{Value: maxRSS, AtMost: true, Text: "≤ 60 MiB"}})
	b.add(report.Row{What: "resident memory, 30 s after 10 000 messages", Unit: report.Megabytes, Product: float64(after), Goal: report.Goal{Value: maxRSS, AtMost: true, Text: "≤ 60 MiB"}})
	b.add(report.Row{What: "one core, idle for 10 s", Unit: report.Percent, Product: used.Seconds() / idleFor.Seconds(), Goal: report.AtMost(0.01)})
	return nil
}

// rest lets time go by.
func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

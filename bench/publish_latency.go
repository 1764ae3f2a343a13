package main

import (
	"context"
	"fmt"

	"github.com/strobemq/strobe/bench/load"
	"github.com/strobemq/strobe/bench/report"
)

// measurePublishLatency publishes 50 K x 1 KiB a second in entries of 50, one a millisecond, with a consumer at the tail.
func measurePublishLatency(ctx context.Context, b *bench) error {
	s := batched
	ps, err := b.startPublishers(ctx, s)
	defer ps.close()
	if err != nil {
		return err
	}
	slice := func(ctx context.Context, e *ends) (sample, error) {
		answers, err := e.producer.Open(ctx, s.interval, b.shorter(sliceTime))
		if err != nil {
			return nil, err
		}
		l := load.Summarize(answers)
		return sample{"p50": l.P50.Seconds(), "p99": l.P99.Seconds(), "window": l.WindowMedian.Seconds(), "best": l.WindowBest.Seconds()}, e.delivered(ctx)
	}
	r, err := b.alternate(ctx, ps.contenders(slice)...)
	if err != nil {
		return err
	}
	var worst report.Row
	b.publishP50 = r.median(strobe, "p50")
	for _, m := range []struct {
		what, figure string
		goal         float64
	}{{"p50", "p50", 1.3}, {"p99, median 250 ms window", "window", 1.5}, {"p99, best window", "best", 0}, {"p99, overall", "p99", 0}} {
		for _, floor := range b.beside() {
			row := report.Row{What: fmt.Sprintf("publish %s, 50 K x 1 KiB a second", m.what), Unit: report.Seconds, Of: floor}
			if floor == direct && m.goal > 0 {
				row.Goal = report.AtMost(m.goal)
			}
			row = r.row(row, strobe, floor, m.figure)
			b.add(row)
			if row.Verdict() == report.BelowHalf {
				worst = row
			}
		}
	}
	return b.profileLow(ctx, worst, ps.profiles.Server, ps.ours(slice))
}

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/strobemq/strobe/bench/load"
	"github.com/strobemq/strobe/bench/report"
)

// maxBehind is how much later than the acknowledgement the consumer at the tail may have an entry.
const maxBehind = 150 * time.Microsecond

// measurePublishLatency publishes 50 K x 1 KiB a second in entries of 50, one a millisecond, with a consumer at the tail.
func measurePublishLatency(f form) func(context.Context, *bench) error {
	return func(ctx context.Context, b *bench) error { return b.publishLatency(ctx, f) }
}

func (b *bench) publishLatency(ctx context.Context, f form) error {
	ps, err := b.startPublishers(ctx, f, batched)
	defer ps.close()
	if err != nil {
		return err
	}
	slice := func(ctx context.Context, e *ends) (sample, error) { return b.latencySlice(ctx, e, batched) }
	for _, e := range ps.all {
		if e.log == nil {
			continue
		}
		young, err := slice(ctx, e)
		if err != nil {
			return err
		}
		_, note, err := b.lap(ctx, e, batched)
		if err != nil {
			return err
		}
		if e.name == strobe {
			b.add(report.Row{What: "publish p50, 50 K x 1 KiB a second, in a log that begins", Unit: report.Seconds, Product: young["p50"], Note: note})
		}
	}
	r, err := b.alternate(ctx, ps.contenders(slice)...)
	if err != nil {
		return err
	}
	var worst report.Row
	if f.bookies == 0 {
		b.publishP50 = r.median(strobe, "p50")
	}
	for _, m := range []struct {
		what, figure string
		goal         float64
	}{{"p50", "p50", 1.3}, {"p99, median 250 ms window", "window", 1.5}, {"p99, best window", "best", 0}, {"p99, overall", "p99", 0}, {"processor time, in cores", "cpu", 1.3}} {
		for _, floor := range b.beside(f) {
			row := report.Row{What: fmt.Sprintf("publish %s, 50 K x 1 KiB a second", m.what), Unit: report.Seconds, Of: floor}
			if m.figure == "cpu" {
				row.Unit = report.Plain
			}
			if floor == f.floors[0] && m.goal > 0 {
				row.Goal = report.AtMost(m.goal)
			}
			row = r.row(row, strobe, floor, m.figure)
			b.add(row)
			if row.Verdict() == report.BelowHalf {
				worst = row
			}
		}
	}
	b.add(r.row(report.Row{What: "consumer at the tail, p50, after the acknowledgement's p50", Unit: report.Seconds, Goal: report.AtMost(maxBehind.Seconds()),
		Note: "p50 " + report.Format(r.median(strobe, "tail"), report.Seconds) + ", p99 " + report.Format(r.median(strobe, "tail99"), report.Seconds)}, strobe, "", "behind"))
	return b.profileServer(ctx, worst, ps.server, ps.ours(slice))
}

// latencySlice publishes at the shape's rate for a slice.
func (b *bench) latencySlice(ctx context.Context, e *ends, s shape) (sample, error) {
	begun, used := time.Now(), cpu(e.pids)
	acked, arrived, err := e.producer.OpenTo(ctx, e.consumer, s.interval, b.shorter(sliceTime))
	if err != nil {
		return nil, err
	}
	used = cpu(e.pids) - used
	l, tail := load.Summarize(acked), load.Summarize(arrived)
	return sample{"p50": l.P50.Seconds(), "p99": l.P99.Seconds(), "window": l.WindowMedian.Seconds(), "best": l.WindowBest.Seconds(),
		"tail": tail.P50.Seconds(), "tail99": tail.P99.Seconds(), "behind": (tail.P50 - l.P50).Seconds(), "cpu": used.Seconds() / time.Since(begun).Seconds()}, nil
}

package main

import (
	"context"
	"fmt"

	"github.com/strobemq/strobe/bench/report"
	"github.com/strobemq/strobe/internal/product"
)

// measurePublishMax publishes a shape as fast as it is acknowledged, with a consumer at the tail, and counts the product's
// allocations meanwhile.
func measurePublishMax(s shape) func(context.Context, *bench) error {
	return func(ctx context.Context, b *bench) error { return b.publishMax(ctx, s) }
}

func (b *bench) publishMax(ctx context.Context, s shape) error {
	ps, err := b.startPublishers(ctx, s)
	defer ps.close()
	if err != nil {
		return err
	}
	slice := func(ctx context.Context, e *ends) (sample, error) {
		from, _ := e.producer.Counts()
		count := func() (float64, error) { return 0, nil }
		if e.name == strobe {
			if count, err = allocations(ctx, ps.server); err != nil {
				return nil, err
			}
		}
		rate, err := e.producer.Closed(ctx, s.window, b.shorter(sliceTime))
		if err == nil {
			err = e.delivered(ctx)
		}
		if err != nil {
			return nil, err
		}
		made, err := count()
		to, _ := e.producer.Counts()
		return sample{"rate": rate.Messages, "allocations": made / float64(to-from)}, err
	}
	r, err := b.alternate(ctx, ps.contenders(slice)...)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("publish maximum, %s", s.Shape)
	row := r.row(report.Row{What: what, Of: direct, Goal: report.AtLeast(0.7)}, strobe, direct, "rate")
	b.add(row)
	for _, name := range b.beside()[1:] {
		b.add(r.row(report.Row{What: what, Of: name}, strobe, name, "rate"))
	}
	b.add(r.row(report.Row{What: fmt.Sprintf("allocations for an entry published and delivered, %s", s.Shape), Unit: report.Plain, Goal: report.AtMost(2)}, strobe, "", "allocations"))
	return b.profileLow(ctx, row, ps.profiles.Server, ps.ours(slice))
}

// allocations starts counting a server's allocations; the function it returns says how many there were since, without those of asking.
func allocations(ctx context.Context, s *product.Process) (func() (float64, error), error) {
	const metric = "go_memstats_mallocs_total"
	first, err := s.Metric(ctx, metric)
	if err != nil {
		return nil, err
	}
	before, err := s.Metric(ctx, metric)
	return func() (float64, error) {
		after, err := s.Metric(ctx, metric)
		return max(0, after-before-(before-first)), err
	}, err
}

package main

import (
	"context"
	"fmt"

	"github.com/strobemq/strobe/bench/load"
	"github.com/strobemq/strobe/bench/report"
)

// measurePublishMax publishes each shape as fast as it is acknowledged, with a consumer at the tail.
func measurePublishMax(ctx context.Context, b *bench) error {
	for _, s := range shapes {
		if err := b.publishMax(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s.Shape, err)
		}
	}
	return nil
}

func (b *bench) publishMax(ctx context.Context, s shape) error {
	slice := func(name string, p **load.Producer, c **load.Consumer) contender {
		return contender{name, func(ctx context.Context) (sample, error) {
			rate, err := (*p).Closed(ctx, s.window, b.shorter(sliceTime))
			if err != nil {
				return nil, err
			}
			return sample{"rate": rate.Messages}, delivered(ctx, *p, *c, s.Shape)
		}}
	}
	contenders, done, err := b.publishers(ctx, s.Shape, slice)
	defer done()
	if err != nil {
		return err
	}
	r, err := b.alternate(ctx, contenders...)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("publish maximum, %s", s.Shape)
	b.add(r.row(report.Row{What: what, Of: direct, Goal: report.AtLeast(0.7)}, strobe, direct, "rate"))
	b.add(r.row(report.Row{What: what, Of: tcp}, strobe, tcp, "rate"))
	return nil
}

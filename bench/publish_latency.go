package main

import (
	"context"
	"fmt"

	"github.com/strobemq/strobe/bench/load"
	"github.com/strobemq/strobe/bench/product"
	"github.com/strobemq/strobe/bench/report"
)

// measurePublishLatency publishes 50 K x 1 KiB a second in entries of 50, one a millisecond, with a consumer at the tail.
func measurePublishLatency(ctx context.Context, b *bench) error {
	s := shapes[0]
	all := map[string][][]load.Answer{}
	slice := func(name string, p **load.Producer, c **load.Consumer) contender {
		return contender{name, func(ctx context.Context) (sample, error) {
			answers, err := (*p).Open(ctx, s.interval, b.shorter(sliceTime))
			if err != nil {
				return nil, err
			}
			all[name] = append(all[name], answers)
			l := load.Summarize(answers)
			return sample{"p50": l.P50.Seconds(), "p99": l.P99.Seconds(), "window": l.WindowMedian.Seconds(), "best": l.WindowBest.Seconds()},
				delivered(ctx, *p, *c, s.Shape)
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
	for _, m := range []struct {
		what, figure string
		goal         float64
	}{{"p50", "p50", 1.3}, {"p99, median 250 ms window", "window", 1.5}, {"p99, best window", "best", 0}, {"p99, overall", "p99", 0}} {
		for _, floor := range []string{direct, tcp} {
			row := report.Row{What: fmt.Sprintf("publish %s, 50 K x 1 KiB a second", m.what), Unit: report.Seconds, Of: floor}
			if floor == direct && m.goal > 0 {
				row.Goal = report.AtMost(m.goal)
			}
			b.add(r.row(row, strobe, floor, m.figure))
		}
	}
	return nil
}

// Names of contenders, as they stand in the table.
const (
	strobe = "strobe"
	tcp    = "F3"
	direct = "F3 -direct"
)

// publishers starts the product and both forms of F3, each with a producer and a consumer of a shape; slice makes a contender of each. done
// ends them.
func (b *bench) publishers(ctx context.Context, s load.Shape, slice func(string, **load.Producer, **load.Consumer) contender) (list []contender, done func(), err error) {
	var closers []func()
	done = func() {
		for i := len(closers) - 1; i >= 0; i-- {
			closers[i]()
		}
	}
	server, err := product.Start(ctx, product.Options{Binary: b.strobe, Dir: b.path("publish")})
	if err != nil {
		return nil, done, err
	}
	closers = append(closers, func() { server.Close() })
	ours := &strobeContender{server: server, topic: "persistent://public/default/bench", shape: s}
	closers = append(closers, ours.close)
	if err := ours.connect(ctx); err != nil {
		return nil, done, err
	}
	list = append(list, slice(strobe, &ours.producer, &ours.consumer))
	for _, name := range []string{direct, tcp} {
		p, err := b.startPipeline(ctx, name == direct)
		if err != nil {
			return nil, done, err
		}
		closers = append(closers, p.close)
		c := &pipelineContender{addr: p.addr, shape: s}
		closers = append(closers, c.close)
		if err := c.connect(ctx); err != nil {
			return nil, done, err
		}
		list = append(list, slice(name, &c.producer, &c.consumer))
	}
	return list, done, nil
}

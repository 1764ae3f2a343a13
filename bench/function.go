package main

import (
	"context"
	"fmt"

	"github.com/strobemq/strobe/bench/load"
	"github.com/strobemq/strobe/bench/report"
	"github.com/strobemq/strobe/internal/product"
)

const (
	forwarder = "forwarder"
	// functionGoal is how many messages a second one instance is to take and give, both durable.
	functionGoal = 60_000
)

// measureFunction publishes to a topic that the echo function reads, as fast as messages come out of its output topic, and the same through a
// forwarder, a process as well, that sends entries on as they are. Both use the same broker.
func measureFunction(ctx context.Context, b *bench) error {
	module, err := b.buildFunction(ctx, "echo")
	if err != nil {
		return err
	}
	for _, s := range []shape{batched, single} {
		if err := b.function(ctx, s, module); err != nil {
			return fmt.Errorf("%s: %w", s.Shape, err)
		}
	}
	return nil
}

func (b *bench) function(ctx context.Context, s shape, module string) error {
	o, profiles, err := b.server("function")
	if err != nil {
		return err
	}
	server, err := product.Start(ctx, o)
	if err != nil {
		return err
	}
	defer server.Close()
	if _, err := server.Run(ctx, "functions", "create", "--name", "echo", "--wasm", module, "--inputs", "strobe-in", "--output", "strobe-out"); err != nil {
		return err
	}
	other, err := startProbe(ctx, "forward", "-url", server.Pulsar, "-from", forwarder+"-in", "-to", forwarder+"-out")
	if err != nil {
		return err
	}
	defer other.close()
	var list []contender
	var ours func(context.Context) (sample, error)
	for _, name := range []string{strobe, forwarder} {
		const namespace = "persistent://public/default/"
		c, err := load.NewConsumer(ctx, server.Pulsar, load.Subscription{Name: "bench", Permits: s.permits()}, namespace+name+"-out")
		if err != nil {
			return err
		}
		defer c.Close()
		p, err := load.NewProducer(ctx, server.Pulsar, namespace+name+"-in", s.Shape)
		if err != nil {
			return err
		}
		defer p.Close()
		slice := func(ctx context.Context) (sample, error) {
			r, err := p.Through(ctx, c, s.window, b.shorter(sliceTime))
			return sample{"rate": r.Messages}, err
		}
		list = append(list, contender{name, slice})
		if name == strobe {
			ours = slice
		}
	}
	r, err := b.alternate(ctx, list...)
	if err != nil {
		return err
	}
	row := r.row(report.Row{What: "identity function, topic to topic, " + s.Shape.String(), Of: forwarder, Goal: report.AtLeast(0.35)}, strobe, forwarder, "rate")
	b.add(row)
	b.add(r.row(report.Row{What: "identity function, topic to topic, " + s.Shape.String(), Goal: report.AtLeast(functionGoal)}, strobe, "", "rate"))
	row.What += " (the child process)"
	return b.profileMiss(ctx, row, profiles.Host, ours)
}

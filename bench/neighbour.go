package main

import (
	"context"
	"fmt"
	"time"

	"github.com/strobemq/strobe/bench/load"
	"github.com/strobemq/strobe/bench/machine"
	"github.com/strobemq/strobe/bench/report"
	"github.com/strobemq/strobe/internal/product"
)

// steady is 10 K x 1 KiB a second, in a client's batches of a millisecond: a broker that is in use and far from its limit.
var steady = shape{load.Shape{Messages: 10, Size: 1024}, 256, time.Millisecond}

const (
	quiet = "quiet"
	// loopDeadline is how long a guest may loop in one call: short, so that a slice holds ends and new beginnings too.
	loopDeadline = time.Second
	// loopMessages wait for each function that loops: more than all slices together can use up.
	loopMessages = 1000
	manyLoops    = 4
)

// measureNeighbour publishes at a steady rate to a topic with a consumer while functions on other topics loop for ever on every message, and
// while they are stopped.
func measureNeighbour(ctx context.Context, b *bench) error {
	module, err := b.buildFunction(ctx, "loop")
	if err != nil {
		return err
	}
	server, err := b.start(ctx, "neighbour")
	if err != nil {
		return err
	}
	defer server.Close()
	for i := range manyLoops {
		if err := createLoop(ctx, server, i, module); err != nil {
			return err
		}
	}
	e, err := strobeEnds(ctx, server, steady)
	defer e.close()
	if err != nil {
		return err
	}
	beside := func(name string, loops int) contender {
		return contender{name, func(ctx context.Context) (sample, error) { return b.besideLoops(ctx, server, e, loops) }}
	}
	one, many := "one loops", fmt.Sprintf("%d loop", manyLoops)
	r, err := b.alternate(ctx, beside(quiet, 0), beside(one, 1), beside(many, manyLoops))
	if err != nil {
		return err
	}
	for _, name := range []string{one, many} {
		for _, m := range []struct{ what, figure string }{{"p99, overall", "p99"}, {"p99, median 250 ms window", "window"}, {"p50", "p50"}} {
			row := report.Row{What: fmt.Sprintf("publish %s, 10 K x 1 KiB a second, beside functions of which %s", m.what, name), Unit: report.Seconds, Of: quiet}
			if m.figure != "p50" {
				row.Goal = report.AtMost(2)
			}
			b.add(r.row(row, name, quiet, m.figure))
		}
	}
	return nil
}

func loopName(i int) string { return fmt.Sprintf("loop-%d", i) }

// createLoop deploys a function that loops, fills its topic, and stops it.
func createLoop(ctx context.Context, server *product.Process, i int, module string) error {
	name := loopName(i)
	_, err := server.Run(ctx, "functions", "create", "--name", name, "--wasm", module, "--inputs", name+"-in", "--deadline", loopDeadline.String())
	if err != nil {
		return err
	}
	p, err := load.NewProducer(ctx, server.Pulsar, "persistent://public/default/"+name+"-in", load.Shape{Messages: 1, Size: 100})
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.Fill(ctx, loopMessages, loopMessages); err != nil {
		return err
	}
	return stopLoop(ctx, server, i)
}

func stopLoop(ctx context.Context, server *product.Process, i int) error {
	_, err := server.Run(ctx, "functions", "stop", loopName(i))
	return err
}

// besideLoops is one slice: so many functions loop while entries are published.
func (b *bench) besideLoops(ctx context.Context, server *product.Process, e *ends, loops int) (sample, error) {
	for i := range loops {
		if _, err := server.Run(ctx, "functions", "start", loopName(i)); err != nil {
			return nil, err
		}
	}
	if err := busy(ctx, server, loops > 0); err != nil {
		return nil, err
	}
	begin, used := time.Now(), machine.CPU(server.PID)
	answers, err := e.producer.Open(ctx, steady.interval, b.shorter(2*sliceTime))
	if err != nil {
		return nil, err
	}
	used = machine.CPU(server.PID) - used
	l := load.Summarize(answers)
	s := sample{"p50": l.P50.Seconds(), "p99": l.P99.Seconds(), "window": l.WindowMedian.Seconds(), "cores": used.Seconds() / time.Since(begin).Seconds()}
	if err := e.delivered(ctx); err != nil {
		return nil, err
	}
	for i := range loops {
		if err := stopLoop(ctx, server, i); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// busy waits until a server that nobody else uses is as busy as its functions make it: at least half a core if one loops, next to nothing if
// none does.
func busy(ctx context.Context, server *product.Process, loops bool) error {
	const look = 200 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		used := machine.CPU(server.PID)
		if err := rest(ctx, look); err != nil {
			return fmt.Errorf("waiting for functions to loop (%v): %w", loops, err)
		}
		share := float64(machine.CPU(server.PID)-used) / float64(look)
		if loops && share > 0.5 || !loops && share < 0.1 {
			return nil
		}
	}
}

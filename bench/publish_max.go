package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/strobemq/strobe/bench/load"
	"github.com/strobemq/strobe/bench/nats"
	"github.com/strobemq/strobe/bench/report"
)

// aheadOfNATS is how many times as fast as the peer single messages are to be published in five processes.
const aheadOfNATS = 3

// measurePublishMax publishes a shape as fast as it is acknowledged, with a consumer at the tail, and counts the product's
// allocations meanwhile.
func measurePublishMax(f form, s shape) func(context.Context, *bench) error {
	return func(ctx context.Context, b *bench) error { return b.publishMax(ctx, f, s) }
}

func (b *bench) publishMax(ctx context.Context, f form, s shape) error {
	ps, err := b.startPublishers(ctx, f, s)
	defer ps.close()
	if err != nil {
		return err
	}
	beside := f.bookies > 0 && s == single
	if beside {
		if err := b.startNATS(ctx, ps, s); err != nil {
			return err
		}
		e := &ends{shape: s.Shape}
		e.producer, err = load.NewProducer(ctx, ps.server.Pulsar, "persistent://public/default/unread", s.Shape)
		if err := ps.add(unread, e, err); err != nil {
			return err
		}
	}
	for _, e := range ps.all {
		if e.log == nil {
			continue
		}
		rate, note, err := b.lap(ctx, e, s)
		if err != nil {
			return err
		}
		if e.name == strobe {
			b.add(report.Row{What: fmt.Sprintf("publish maximum, %s, while the log takes new files", s.Shape), Unit: report.PerSecond, Product: rate, Note: note})
		}
	}
	slice := func(ctx context.Context, e *ends) (sample, error) {
		from, _ := e.producer.Counts()
		count := func() (float64, error) { return 0, nil }
		if e.name == strobe {
			if count, err = allocations(ctx, ps.server); err != nil {
				return nil, err
			}
		}
		window := s.window
		if e.name == peerNATS {
			window = natsWindow
		}
		rate, err := e.producer.Closed(ctx, window, b.shorter(sliceTime))
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
	row := r.row(report.Row{What: what, Of: f.floors[0], Goal: report.AtLeast(0.7)}, strobe, f.floors[0], "rate")
	b.add(row)
	for _, name := range b.beside(f)[1:] {
		b.add(r.row(report.Row{What: what, Of: name}, strobe, name, "rate"))
	}
	if beside {
		b.add(r.row(report.Row{What: what, Of: peerNATS}, strobe, peerNATS, "rate"))
		b.add(r.row(report.Row{What: what + ", nobody reads", Of: peerNATS, Goal: report.AtLeast(aheadOfNATS)}, unread, peerNATS, "rate"))
	}
	made := report.Row{What: fmt.Sprintf("allocations for an entry published and delivered, %s", s.Shape), Unit: report.Plain}
	if s.Messages == 1 {
		made.Goal = report.AtMost(2) // of large entries there are so few that the sessions with etcd are most of it
	}
	b.add(r.row(made, strobe, "", "allocations"))
	return b.profileServer(ctx, row, ps.server, ps.ours(slice))
}

// natsWindow is how many messages to NATS are unanswered at most; more do not make it faster.
const natsWindow = 4096

// startNATS adds the peer; it has no consumer.
func (b *bench) startNATS(ctx context.Context, ps *publishers, s shape) error {
	c, err := nats.Start(ctx, b.path("nats"), os.Stderr)
	if err != nil {
		return err
	}
	ps.closers = append(ps.closers, c.Close)
	e := &ends{shape: s.Shape, pids: c.PIDs()}
	e.producer, err = load.NewNATSProducer(ctx, c.Leader, s.Shape)
	return ps.add(peerNATS, e, err)
}

// lapTime is how long a lap may take.
const lapTime = 90 * time.Second

// lap publishes until every bookie has begun a segment in a file that was written before, as a log goes on for ever where messages are consumed,
// and as the floor does from its start. It returns how many messages a second were published meanwhile, and a note
// when the time did not suffice: what is measured next is then no log past its first lap.
func (b *bench) lap(ctx context.Context, e *ends, s shape) (rate float64, note string, err error) {
	var entries uint64
	var took time.Duration
	over := false
	for begun := time.Now(); !over && time.Since(begun) < b.shorter(lapTime); {
		r, err := e.producer.Closed(ctx, s.window, time.Second)
		if err == nil {
			err = e.delivered(ctx)
		}
		if err != nil {
			return 0, "", fmt.Errorf("first lap of the log: %w", err)
		}
		entries, took = entries+r.Entries, took+r.Took
		over = true
		for _, p := range e.log.bookies() {
			recycled, err := p.Metric(ctx, "strobe_bookie_log_segments_recycled_total")
			if err != nil {
				return 0, "", err
			}
			over = over && recycled > 0
		}
	}
	if !over {
		note = "the lap did not end in " + b.shorter(lapTime).String()
	}
	return float64(entries) * float64(s.Messages) / took.Seconds(), note, nil
}

// allocations starts counting those of all processes of the product; the function it returns says how many there were since, without those of
// asking.
func allocations(ctx context.Context, d *deployment) (func() (float64, error), error) {
	const metric = "go_memstats_mallocs_total"
	first, err := d.sum(ctx, metric)
	if err != nil {
		return nil, err
	}
	before, err := d.sum(ctx, metric)
	return func() (float64, error) {
		after, err := d.sum(ctx, metric)
		return max(0, after-before-(before-first)), err
	}, err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strobemq/strobe/bench/floor"
	"github.com/strobemq/strobe/bench/load"
	"github.com/strobemq/strobe/bench/report"
	"github.com/strobemq/strobe/internal/product"
)

const (
	backlog      = 4 << 30 // of one topic
	mixedBacklog = 1 << 30 // of many
	pagesBacklog = 1 << 30 // of F8, which is read as often as it takes
)

// drainWindow is how many messages are permitted ahead: enough that nobody waits for the reader of a measurement.
const drainWindow = 200_000

// measureCatchUp drains a backlog of 4 GiB, most of it in sealed segments, while the topic is published to, against F8.
func measureCatchUp(f form) func(context.Context, *bench) error {
	return func(ctx context.Context, b *bench) error { return b.catchUp(ctx, f) }
}

const (
	catchUpTopic = "persistent://public/default/catchup"
	onlyWriting  = "no drain"
	besideF3     = "F8 beside F3 that is written to"
)

func (b *bench) catchUp(ctx context.Context, f form) error {
	shape := batched.Shape
	size := b.smaller(backlog)
	entries, laps := size/shape.Bytes(), max(1, size/pagesBacklog)
	pages, err := floor.StartPages(b.path("pages"), shape, entries/laps)
	if err != nil {
		return err
	}
	defer pages.Close()
	server, err := b.withBacklog(ctx, f, shape, entries, catchUpTopic)
	if err != nil {
		return err
	}
	defer server.Close()
	writer, err := load.NewProducer(ctx, server.Pulsar, catchUpTopic, steady.Shape)
	if err != nil {
		return err
	}
	defer writer.Close()
	drains := 0
	ours := func(ctx context.Context) (sample, error) {
		drains++
		var read sample
		written, err := whileWriting(ctx, writer, func() (err error) {
			read, err = drain(ctx, server.Process, fmt.Sprint("drain-", drains), shape, entries, catchUpTopic)
			return err
		})
		if err != nil {
			return nil, err
		}
		read["p99"] = written.P99.Seconds()
		return read, nil
	}
	floorWriter, closeFloor, err := b.floorWriter(ctx, f)
	defer closeFloor()
	if err != nil {
		return err
	}
	f8 := func(ctx context.Context) (sample, error) {
		var took time.Duration
		var sum load.Delivered
		for range laps {
			got, begun, err := pages.Drain(ctx, shape, entries/laps)
			if err != nil {
				return nil, err
			}
			took += got.Last.Sub(begun)
			sum.Bytes += got.Bytes
		}
		return rateOf(sum, took), nil
	}
	r, err := b.alternate(ctx,
		contender{strobe, ours},
		contender{onlyWriting, func(ctx context.Context) (sample, error) {
			l, err := whileWriting(ctx, writer, func() error { return rest(ctx, b.shorter(sliceTime)) })
			return sample{"p99": l.P99.Seconds()}, err
		}},
		contender{"F8", f8},
		contender{besideF3, func(ctx context.Context) (read sample, err error) {
			_, err = whileWriting(ctx, floorWriter, func() (err error) {
				read, err = f8(ctx)
				return err
			})
			return read, err
		}})
	if err != nil {
		return err
	}
	row := r.row(report.Row{What: fmt.Sprintf("catch-up of %d MiB while 10 K x 1 KiB a second are written, %s", size>>20, shape), Unit: report.BytesPerSecond,
		Of: "F8", Goal: report.AtLeast(f.catchUp)}, strobe, "F8", "bytes")
	b.add(row)
	beside := row
	beside.Of, beside.Goal = besideF3, report.Goal{}
	b.add(r.row(beside, strobe, besideF3, "bytes"))
	b.add(r.row(report.Row{What: "publish p99 meanwhile", Unit: report.Seconds, Of: onlyWriting, Goal: report.AtMost(2)}, strobe, onlyWriting, "p99"))
	return b.profileServer(ctx, row, server, ours)
}

// floorWriter publishes to the floor of a form, which is closed with what it returns besides.
func (b *bench) floorWriter(ctx context.Context, f form) (*load.Producer, func(), error) {
	probes, err := b.startPipeline(ctx, f.floors[0])
	e := &ends{}
	if err == nil {
		e, err = pipelineEnds(ctx, probes[len(probes)-1].said, steady.Shape)
	}
	return e.producer, func() {
		e.close()
		for _, p := range probes {
			p.close()
		}
	}, err
}

// writingFor is how long whileWriting writes at a time.
const writingFor = 500 * time.Millisecond

// whileWriting publishes at a steady rate while work is done, and a little longer.
func whileWriting(ctx context.Context, writer *load.Producer, work func() error) (load.Latency, error) {
	done := make(chan error, 1)
	go func() { done <- work() }()
	var all [][]load.Answer
	for {
		answers, err := writer.Open(ctx, steady.interval, writingFor)
		if err != nil {
			return load.Latency{}, errors.Join(err, <-done)
		}
		all = append(all, answers)
		select {
		case err := <-done:
			return load.Summarize(all...), err
		default:
		}
	}
}

// manyTopics is how many topics a mixed backlog has, and manyGoal how many of its entries a second are asked for: what the reference machine's
// disk answers when every entry is a read of its own.
const (
	manyTopics = 1000
	manyGoal   = 61_000
)

// measureCatchUpMany drains a thousand topics whose entries lie mixed in the log.
func measureCatchUpMany(ctx context.Context, b *bench) error {
	shape := single.Shape
	topics := make([]string, manyTopics)
	for i := range topics {
		topics[i] = fmt.Sprintf("persistent://public/default/many-%d", i)
	}
	size := b.smaller(mixedBacklog)
	each := size / shape.Bytes() / len(topics)
	server, err := b.withBacklog(ctx, alone, shape, each, topics...)
	if err != nil {
		return err
	}
	defer server.Close()
	drains := 0
	ours := func(ctx context.Context) (sample, error) {
		drains++
		return drain(ctx, server.Process, fmt.Sprint("drain-", drains), shape, each, topics...)
	}
	r, err := b.alternate(ctx, contender{strobe, ours})
	if err != nil {
		return err
	}
	row := r.row(report.Row{What: fmt.Sprintf("catch-up of %d MiB in entries, %d topics, %s", size>>20, manyTopics, shape), Goal: report.AtLeast(manyGoal)}, strobe, "", "entries")
	b.add(row)
	return b.profileServer(ctx, row, server, ours)
}

// smaller is a number of bytes, or a sixteenth of it in a quick run.
func (b *bench) smaller(bytes int) int {
	if b.quick {
		return bytes / 16
	}
	return bytes
}

// withBacklog starts a product whose topics hold so many entries each, which a subscription keeps.
func (b *bench) withBacklog(ctx context.Context, f form, shape load.Shape, entries int, topics ...string) (*deployment, error) {
	server, err := b.deploy(ctx, f, b.strobe, "backlog")
	if err != nil {
		return nil, err
	}
	keep, err := load.NewConsumer(ctx, server.Pulsar, load.Subscription{Name: "keep", Earliest: true}, topics...)
	if err == nil {
		err = keep.Close()
	}
	if err == nil {
		err = load.Spread(ctx, server.Pulsar, shape, 8<<20/shape.Bytes(), entries, topics...)
	}
	if err != nil {
		server.Close()
		return nil, err
	}
	return server, nil
}

// drain reads topics from their start with a new subscription. The clock starts when the broker is permitted to send.
func drain(ctx context.Context, server *product.Process, subscription string, shape load.Shape, entries int, topics ...string) (sample, error) {
	c, err := load.NewConsumer(ctx, server.Pulsar, load.Subscription{Name: subscription, Earliest: true, Messages: shape.Messages, Permits: drainWindow, NoAcks: true}, topics...)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	got, err := c.Wait(ctx, uint64(entries*len(topics)*shape.Messages))
	return rateOf(got, got.Last.Sub(c.Begun())), err
}

func rateOf(d load.Delivered, took time.Duration) sample {
	s := took.Seconds()
	return sample{"bytes": float64(d.Bytes) / s, "entries": float64(d.Entries) / s, "messages": float64(d.Messages) / s}
}

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/strobemq/strobe/bench/floor"
	"github.com/strobemq/strobe/bench/load"
	"github.com/strobemq/strobe/bench/report"
	"github.com/strobemq/strobe/internal/product"
)

const backlog = 1 << 30

// drainWindow is how many messages are permitted ahead: enough that nobody waits for the reader of a measurement.
const drainWindow = 200_000

// measureCatchUp drains a backlog of 1 GiB from sealed segments: of one topic in batches, against F8 with the same bytes; and of a thousand topics
// whose entries lie mixed in the log.
func measureCatchUp(ctx context.Context, b *bench) error {
	if err := b.catchUpOne(ctx); err != nil {
		return err
	}
	return b.catchUpMany(ctx)
}

func (b *bench) catchUpOne(ctx context.Context) error {
	shape := batched.Shape
	entries := b.backlog() / shape.Bytes()
	pages, err := floor.StartPages(b.path("pages"), shape, entries)
	if err != nil {
		return err
	}
	defer pages.Close()
	server, _, err := b.withBacklog(ctx, shape, entries, "persistent://public/default/catchup")
	if err != nil {
		return err
	}
	defer server.Close()
	drains := 0
	r, err := b.alternate(ctx,
		contender{strobe, func(ctx context.Context) (sample, error) {
			drains++
			return drain(ctx, server, fmt.Sprint("drain-", drains), shape, entries, "persistent://public/default/catchup")
		}},
		contender{"F8", func(ctx context.Context) (sample, error) {
			got, begun, err := pages.Drain(ctx, shape, entries)
			return rateOf(got, got.Last.Sub(begun)), err
		}})
	if err != nil {
		return err
	}
	b.add(r.row(report.Row{What: fmt.Sprintf("catch-up of %d MiB, one topic, %s", b.backlog()>>20, shape), Unit: report.BytesPerSecond, Of: "F8", Goal: report.AtLeast(0.4)}, strobe, "F8", "bytes"))
	return nil
}

// manyTopics is how many topics a mixed backlog has, and manyGoal how many of its entries a second are asked for: what the reference machine's
// disk answers when every entry is a read of its own.
const (
	manyTopics = 1000
	manyGoal   = 61_000
)

func (b *bench) catchUpMany(ctx context.Context) error {
	shape := single.Shape
	topics := make([]string, manyTopics)
	for i := range topics {
		topics[i] = fmt.Sprintf("persistent://public/default/many-%d", i)
	}
	each := b.backlog() / shape.Bytes() / len(topics)
	server, profiles, err := b.withBacklog(ctx, shape, each, topics...)
	if err != nil {
		return err
	}
	defer server.Close()
	drains := 0
	ours := func(ctx context.Context) (sample, error) {
		drains++
		return drain(ctx, server, fmt.Sprint("drain-", drains), shape, each, topics...)
	}
	r, err := b.alternate(ctx, contender{strobe, ours})
	if err != nil {
		return err
	}
	row := r.row(report.Row{What: fmt.Sprintf("catch-up of %d MiB in entries, %d topics, %s", b.backlog()>>20, manyTopics, shape), Goal: report.AtLeast(manyGoal)}, strobe, "", "entries")
	b.add(row)
	return b.profileLow(ctx, row, profiles.Server, ours)
}

func (b *bench) backlog() int {
	if b.quick {
		return backlog / 4
	}
	return backlog
}

// withBacklog starts a server whose topics hold so many entries each, which a subscription keeps.
func (b *bench) withBacklog(ctx context.Context, shape load.Shape, entries int, topics ...string) (*product.Process, product.Profiles, error) {
	o, profiles, err := b.server("backlog")
	if err != nil {
		return nil, profiles, err
	}
	server, err := product.Start(ctx, o)
	if err != nil {
		return nil, profiles, err
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
		return nil, profiles, err
	}
	return server, profiles, nil
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

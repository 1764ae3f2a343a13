package main

import (
	"context"
	"fmt"
	"time"

	"github.com/strobemq/strobe/bench/floor"
	"github.com/strobemq/strobe/bench/machine"
	"github.com/strobemq/strobe/bench/report"
)

const (
	cdcRows        = 300_000
	cdcTransaction = 100
	maxChild       = 64 << 20
)

// measureCDCRate lets rows pile up in replication slots, and then drains them: the product into its topic and on to a consumer, two plain
// readers into a counter. All read the same WAL, one after the other.
func measureCDCRate(ctx context.Context, b *bench) error {
	c, err := b.startCDC(ctx, nil)
	defer c.close(ctx)
	if err == nil {
		err = rest(ctx, settle)
	}
	var idle, most int64
	if err == nil {
		idle, _ = machine.ChildrenRSS(c.server.PID) // 0 where that is not known
		err = c.source(ctx, "stop")
	}
	if err == nil {
		err = c.exec(ctx, "set synchronous_commit = off")
	}
	if err != nil {
		return err
	}
	rows := cdcRows
	if b.quick {
		rows /= 4
	}
	fill := func() error {
		return c.exec(ctx, fmt.Sprintf("call fill(%d, %d)", rows/cdcTransaction, cdcTransaction))
	}
	filled := 0
	// Each contender's k-th slice drains the k-th filling, whoever comes first makes it.
	nth := func(do func(context.Context) (sample, error)) func(context.Context) (sample, error) {
		slices := 0
		return func(ctx context.Context) (sample, error) {
			if slices++; slices > filled {
				filled++
				if err := fill(); err != nil {
					return nil, err
				}
			}
			return do(ctx)
		}
	}
	plain := func(name, slot string, read func(floor.WAL, context.Context) (floor.Rows, error)) contender {
		return contender{name, nth(func(ctx context.Context) (sample, error) {
			got, err := read(c.reader(slot), ctx)
			if err != nil {
				return nil, err
			}
			return sample{"rows": got.Rate()}, c.skip(ctx, slot)
		})}
	}
	ours := func(ctx context.Context) (sample, error) {
		highest := watchChildren(c.server.PID)
		s, err := c.drain(ctx, uint64(rows))
		most = max(most, highest())
		return s, err
	}
	r, err := b.alternate(ctx, contender{strobe, nth(ours)},
		plain(library, "library", func(w floor.WAL, ctx context.Context) (floor.Rows, error) { return w.Library(ctx, rows, nil) }),
		plain(raw, "raw", func(w floor.WAL, ctx context.Context) (floor.Rows, error) { return w.Raw(ctx, rows) }))
	if err != nil {
		return err
	}
	best := library
	if r.median(raw, "rows") > r.median(library, "rows") {
		best = raw
	}
	row := r.row(report.Row{What: fmt.Sprintf("Postgres rows to topic and consumer, 200 B, transactions of %d", cdcTransaction), Of: "F7 (" + best + ")",
		Goal: report.AtLeast(0.4)}, strobe, best, "rows")
	b.add(row)
	if idle > 0 {
		b.add(report.Row{What: "memory of the connector's process meanwhile, over its idle", Unit: report.Megabytes, Product: float64(most - idle),
			Goal: report.Goal{Value: maxChild, AtMost: true, Text: "≤ 64 MiB"}, Note: "idle " + report.Format(float64(idle), report.Megabytes)})
	}
	row.What += " (the child process)"
	if row.Verdict() == report.BelowHalf || b.always {
		if err := fill(); err != nil {
			return err
		}
	}
	return b.profileMiss(ctx, row, c.profiles.Host, ours)
}

// watchChildren looks at the resident memory of a process's children until the function it returns is called, which says what the highest was.
func watchChildren(pid int) (stop func() int64) {
	end, done := make(chan struct{}), make(chan int64)
	go func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		var highest int64
		for {
			if v, err := machine.ChildrenRSS(pid); err == nil {
				highest = max(highest, v)
			}
			select {
			case <-tick.C:
			case <-end:
				done <- highest
				return
			}
		}
	}()
	return func() int64 {
		close(end)
		return <-done
	}
}

// drain starts the source, waits for so many rows at the consumer and stops it. The rate is that after the first rows.
func (c *cdc) drain(ctx context.Context, rows uint64) (sample, error) {
	before := c.consumer.Delivered().Messages
	if err := c.source(ctx, "start"); err != nil {
		return nil, err
	}
	first, err := c.consumer.Wait(ctx, before+1)
	if err != nil {
		return nil, err
	}
	last, err := c.consumer.Wait(ctx, before+rows)
	if err != nil {
		return nil, err
	}
	rate := float64(last.Messages-first.Messages) / last.Last.Sub(first.Last).Seconds()
	return sample{"rows": rate}, c.source(ctx, "stop")
}

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/strobemq/strobe/bench/load"
	"github.com/strobemq/strobe/bench/machine"
	"github.com/strobemq/strobe/bench/peers"
	"github.com/strobemq/strobe/bench/report"
)

const (
	debezium = "Debezium"
	// debeziumPoll is poll.interval.ms for the peer's best latency; its default is 500.
	debeziumPoll = 10
	debeziumSlot = "debezium"
)

// outboxReader is one of two that bring rows to a topic.
type outboxReader struct {
	name        string
	consumer    *load.Consumer
	missed      uint64 // rows that were there before its slot
	start, stop func(context.Context) error
	seen        *arrivals
	pid         int
}

// measurePeerCDC compares Strobe's outbox source with Debezium Server that writes to an Apache Pulsar.
func measurePeerCDC(ctx context.Context, b *bench) error {
	ours := &outboxReader{name: strobe, seen: &arrivals{}}
	c, err := b.startCDC(ctx, func(entry []byte) error { return load.Payloads(entry, ours.seen.saw) })
	defer c.close(ctx)
	if err != nil {
		return err
	}
	ours.consumer, ours.pid = c.consumer, c.server.PID
	ours.start = func(ctx context.Context) error { return c.source(ctx, "start") }
	ours.stop = func(ctx context.Context) error { return c.source(ctx, "stop") }
	if err := ours.stop(ctx); err != nil {
		return err
	}
	broker, err := b.startSide(ctx, peerName, alone, "keepAliveIntervalSeconds=3600") // its client is stopped while Strobe has its turn
	if err != nil {
		return err
	}
	defer broker.close()
	b.keepSettings(broker.settings)
	if err := broker.serves(ctx, cdcTopic); err != nil {
		return err
	}
	theirs, d, err := b.startDebezium(ctx, c, broker)
	if d != nil {
		defer d.Close()
	}
	if theirs != nil && theirs.consumer != nil {
		defer theirs.consumer.Close()
	}
	if err != nil {
		return err
	}
	if err := b.peerRows(ctx, c, ours, theirs); err != nil {
		return err
	}
	if err := b.peerRowLatency(ctx, c, ours, theirs); err != nil {
		return err
	}
	row := report.Row{What: "resident memory of what reads Postgres and of its broker", Unit: report.Megabytes, Of: debezium + " and " + peerName, Goal: below}
	for _, pid := range append([]int{theirs.pid}, broker.pids...) {
		v, err := machine.RSS(pid)
		if err != nil {
			return err
		}
		row.Floor += float64(v)
	}
	v, err := machine.RSS(ours.pid)
	row.Product = float64(v)
	b.add(row)
	return err
}

// startDebezium starts the peer on a slot of its own, waits for its first row, and stops it.
func (b *bench) startDebezium(ctx context.Context, c *cdc, broker *side) (*outboxReader, *peers.Debezium, error) {
	if err := c.exec(ctx, "select pg_create_logical_replication_slot('"+debeziumSlot+"', 'pgoutput')"); err != nil {
		return nil, nil, err
	}
	d, err := peers.StartDebezium(ctx, b.scripts, b.path("debezium"), peers.DebeziumOptions{Port: c.postgres.Port, Password: c.postgres.Password,
		Publication: cdcPublication, Slot: debeziumSlot, Table: "public.outbox", Broker: broker.url, Poll: debeziumPoll})
	if err != nil {
		return nil, nil, err
	}
	b.keepSettings(d.Settings())
	r := &outboxReader{name: debezium, pid: d.PID(), seen: &arrivals{}, missed: c.rows}
	r.start = func(context.Context) error { return d.Resume() }
	r.stop = func(context.Context) error { return d.Pause() }
	each := func(entry []byte) error { return load.Payloads(entry, r.seen.saw) }
	if r.consumer, err = load.NewConsumer(ctx, broker.url, load.Subscription{Name: "bench", Each: each}, cdcTopic); err != nil {
		return r, d, err
	}
	if err := insertRow(ctx, c.conn); err != nil {
		return r, d, err
	}
	c.rows++
	wait, cancel := context.WithTimeout(ctx, servesTime)
	defer cancel()
	if _, err := r.consumer.Wait(wait, 1); err != nil {
		return r, d, fmt.Errorf("no row came from Debezium: %w\n%s", err, d.Log())
	}
	return r, d, r.stop(ctx)
}

// has waits until the reader's topic has every row that was inserted.
func (r *outboxReader) has(ctx context.Context, c *cdc) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	_, err := r.consumer.Wait(ctx, c.rows-r.missed)
	return err
}

// drain starts the reader, waits for the rows that piled up, and stops it. The rate is that after the first row.
func (r *outboxReader) drain(ctx context.Context, c *cdc) (sample, error) {
	before := r.consumer.Delivered().Messages
	if err := r.start(ctx); err != nil {
		return nil, err
	}
	first, err := r.consumer.Wait(ctx, before+1)
	if err == nil {
		err = r.has(ctx, c)
	}
	if err != nil {
		return nil, err
	}
	last := r.consumer.Delivered()
	return sample{"rows": float64(last.Messages-first.Messages) / last.Last.Sub(first.Last).Seconds()}, r.stop(ctx)
}

// peerRows lets rows pile up and has each reader drain them: first once to have code compiled, then in turn.
func (b *bench) peerRows(ctx context.Context, c *cdc, readers ...*outboxReader) error {
	if err := c.exec(ctx, "set synchronous_commit = off"); err != nil {
		return err
	}
	rows := cdcRows
	if b.quick {
		rows /= 8
	}
	filled := 0
	var list []contender
	for _, r := range readers {
		k := 0 // fillings it has
		slice := func(ctx context.Context) (sample, error) {
			if k++; k > filled {
				filled++
				if err := c.exec(ctx, fmt.Sprintf("call fill(%d, %d)", rows/cdcTransaction, cdcTransaction)); err != nil {
					return nil, err
				}
				c.rows += uint64(rows)
			}
			return r.drain(ctx, c)
		}
		if _, err := slice(ctx); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		list = append(list, contender{r.name, slice})
	}
	r, err := b.alternate(ctx, list...)
	if err != nil {
		return err
	}
	b.add(r.row(report.Row{What: fmt.Sprintf("rows to topic and consumer, 200 B, transactions of %d", cdcTransaction), Of: debezium, Goal: ahead}, strobe, debezium, "rows"))
	return nil
}

// peerRowLatency inserts rows at fixed rates with synchronous commits, once for each reader.
func (b *bench) peerRowLatency(ctx context.Context, c *cdc, readers ...*outboxReader) error {
	clients := make([]*pgx.Conn, cdcClients)
	for i := range clients {
		var err error
		if clients[i], err = pgx.Connect(ctx, c.postgres.DSN); err != nil {
			return err
		}
		defer clients[i].Close(context.WithoutCancel(ctx))
	}
	for _, rate := range cdcRates {
		n := cdcCount(rate, b.shorter(2*sliceTime))
		var list []contender
		for _, r := range readers {
			list = append(list, contender{r.name, func(ctx context.Context) (sample, error) { return r.latency(ctx, c, clients, rate, n) }})
		}
		r, err := b.alternate(ctx, list...)
		if err != nil {
			return err
		}
		for _, figure := range []string{"p50", "p99"} {
			b.add(r.row(report.Row{What: fmt.Sprintf("row to consumer %s, %d K rows a second, synchronous commits", figure, rate/1000), Unit: report.Seconds, Of: debezium, Goal: below}, strobe, debezium, figure))
		}
	}
	return nil
}

// latency starts the reader, lets it have what was inserted for the other and one row more, inserts n rows at a rate, and stops it.
func (r *outboxReader) latency(ctx context.Context, c *cdc, clients []*pgx.Conn, rate, n int) (sample, error) {
	if err := r.start(ctx); err != nil {
		return nil, err
	}
	if err := insertRow(ctx, clients[0]); err != nil {
		return nil, err
	}
	c.rows++
	if err := r.has(ctx, c); err != nil {
		return nil, err
	}
	r.seen.begin()
	if err := insertRows(ctx, clients, rate, n); err != nil {
		return nil, err
	}
	c.rows += uint64(n)
	if err := r.has(ctx, c); err != nil {
		return nil, err
	}
	l := r.seen.after(firstOfRows(rate, n))
	return sample{"p50": l.P50.Seconds(), "p99": l.P99.Seconds()}, r.stop(ctx)
}

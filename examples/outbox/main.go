// Command outbox is the example that `make demo` runs: a real Postgres whose outbox table is written to, a WASM function compiled
// on the spot, and a stock Pulsar client at the end. In the middle strobe is killed with SIGKILL. At the end the topic must
// hold exactly the rows that were committed, each once, in order for each customer.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/strobemq/strobe/connectors/postgres/postgrestest"
	"github.com/strobemq/strobe/internal/product"
)

const outputTopic = "persistent://public/default/orders-enriched"

func main() {
	var d demo
	flag.StringVar(&d.strobe, "strobe", "bin/strobe", "the strobe binary")
	flag.IntVar(&d.rows, "rows", 3000, "rows to commit")
	flag.BoolVar(&d.quiet, "quiet", false, "print the result only")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	if err := d.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// demo is one run.
type demo struct {
	strobe string
	rows   int
	quiet  bool

	dir      string
	postgres *postgrestest.Server
	server   *product.Process
	started  time.Time
}

func (d *demo) say(format string, args ...any) {
	if !d.quiet {
		fmt.Printf("%6.1f s  "+format+"\n", append([]any{time.Since(d.started).Seconds()}, args...)...)
	}
}

func (d *demo) run(ctx context.Context) (err error) {
	d.started = time.Now()
	if d.strobe, err = filepath.Abs(d.strobe); err != nil {
		return err
	}
	if d.dir, err = os.MkdirTemp("", "strobe-demo-"); err != nil {
		return err
	}
	defer os.RemoveAll(d.dir)

	d.say("starting Postgres (the first time it is fetched)")
	if d.postgres, err = postgrestest.Start(postgrestest.Options{Dir: filepath.Join(d.dir, "postgres"), Progress: os.Stderr}); err != nil {
		return err
	}
	defer d.postgres.Close()
	err = d.postgres.Exec(ctx, `create table outbox (id uuid primary key, aggregatetype text not null, aggregateid text not null, type text not null, payload jsonb)`)
	if err != nil {
		return err
	}
	d.say("building the function: strobe functions build examples/outbox/enrich")
	if err := d.build(ctx); err != nil {
		return err
	}
	if d.server, err = d.startStrobe(ctx); err != nil {
		return err
	}
	defer func() { d.server.Close() }()
	d.say("strobe is ready after %d ms at %s", d.server.ReadyMs, d.server.Pulsar)
	d.say("strobe apply -f pipeline.yaml")
	if err := d.command(ctx, "apply", "-f", filepath.Join(d.dir, "pipeline.yaml")); err != nil {
		return err
	}

	seen, err := watch(ctx, d.server.Pulsar)
	if err != nil {
		return err
	}
	defer seen.close()
	first, err := d.firstRow(ctx, seen)
	if err != nil {
		return err
	}
	d.say("the first row arrived %.1f ms after its commit: %s", float64(first.took.Microseconds())/1000, first.payload)

	committed := newLedgerOfRows()
	committed.add(first.row)
	killed := make(chan error, 1)
	go func() { killed <- d.killInTheMiddle(ctx, committed) }()
	if err := d.commitRows(ctx, committed); err != nil {
		return err
	}
	if err := <-killed; err != nil {
		return err
	}
	d.say("%d rows are committed; reading the topic from its start with a stock client", committed.count())
	found, err := readAll(ctx, d.server.Pulsar, committed.count())
	if err != nil {
		return err
	}
	if err := judge(committed, found); err != nil {
		_ = d.command(ctx, "status")
		return err
	}
	d.say("done")
	fmt.Printf("committed %d rows, read %d messages: each row once, in order for each customer, %s after one kill -9\n",
		committed.count(), len(found), time.Since(d.started).Round(100*time.Millisecond))
	fmt.Printf("first row: %.1f ms from commit to client\n", float64(first.took.Microseconds())/1000)
	return nil
}

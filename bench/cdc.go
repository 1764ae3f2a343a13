package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/strobemq/strobe/bench/floor"
	"github.com/strobemq/strobe/bench/load"
	"github.com/strobemq/strobe/connectors/postgres/postgrestest"
	"github.com/strobemq/strobe/internal/product"
)

const (
	cdcTopic       = "persistent://public/default/outbox.event.Order"
	cdcPublication = "bench_floor"
	library        = "pglogrepl"
	raw            = "raw with naps"
)

// A row is about 200 bytes in the stream. It carries the moment of its insertion, in microseconds, for the latency.
const cdcSchema = `create table outbox (id uuid primary key, aggregatetype text not null, aggregateid text not null, type text not null, payload jsonb not null);
create function event() returns jsonb language sql as $$
  select jsonb_build_object('at', (extract(epoch from clock_timestamp()) * 1000000)::bigint, 'fill', 'abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz') $$;
create procedure fill(transactions int, rows int) language plpgsql as $$ begin
  for i in 1..transactions loop
    insert into outbox select gen_random_uuid(), 'Order', 'customer-' || j % 50, 'OrderCreated', event() from generate_series(1, rows) j;
    commit;
  end loop;
end $$;`

const cdcSource = `apiVersion: strobe/v1
kind: Source
metadata:
  name: bench
spec:
  connector: postgres
  config:
    mode: outbox
    host: 127.0.0.1
    port: %d
    database: postgres
    user: postgres
    password: env:BENCH_PASSWORD
    table: public.outbox
`

// cdc is a Postgres with an outbox table, a strobe with a source on it, and two slots for plain readers.
type cdc struct {
	postgres *postgrestest.Server
	server   *product.Process
	profiles product.Profiles
	consumer *load.Consumer
	conn     *pgx.Conn
	rows     uint64 // inserted so far, where that is counted
}

// startCDC starts all of it; close it in any case. each is called with every entry that the source made.
func (b *bench) startCDC(ctx context.Context, each func(entry []byte) error) (*cdc, error) {
	c := &cdc{}
	var err error
	// A reader may be stopped for long, so the server does not give it up.
	settings := map[string]string{"max_wal_size": "4GB", "shared_buffers": "256MB", "autovacuum": "off", "wal_sender_timeout": "0"}
	if c.postgres, err = postgrestest.Start(postgrestest.Options{Dir: b.path("postgres"), Settings: settings, Progress: os.Stderr}); err != nil {
		return c, err
	}
	if c.conn, err = pgx.Connect(ctx, c.postgres.DSN); err != nil {
		return c, err
	}
	if err := c.exec(ctx, cdcSchema); err != nil {
		return c, err
	}
	for _, sql := range []string{"create publication " + cdcPublication + " for table outbox with (publish = 'insert')",
		"select pg_create_logical_replication_slot('library', 'pgoutput')", "select pg_create_logical_replication_slot('raw', 'pgoutput')"} {
		if err := c.exec(ctx, sql); err != nil {
			return c, err
		}
	}
	o, profiles, err := b.server("cdc", "BENCH_PASSWORD="+c.postgres.Password)
	if err != nil {
		return c, err
	}
	o.Set = append(o.Set[:len(o.Set):len(o.Set)], "worker.secretEnvironment=BENCH_PASSWORD")
	c.profiles = profiles
	if c.server, err = product.Start(ctx, o); err != nil {
		return c, err
	}
	file := filepath.Join(b.dir, "source.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, cdcSource, c.postgres.Port), 0o600); err != nil {
		return c, err
	}
	if _, err := c.server.Run(ctx, "apply", "-f", file); err != nil {
		return c, err
	}
	return c, c.subscribe(ctx, each)
}

// subscribe has the source make its topic with a first row, and subscribes when that is there: turning on deduplication, the source sends away
// who came earlier.
func (c *cdc) subscribe(ctx context.Context, each func(entry []byte) error) error {
	if err := insertRow(ctx, c.conn); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		_, err := c.server.Do(ctx, http.MethodGet, "/admin/v2/persistent/public/default/outbox.event.Order/stats", "")
		if err == nil {
			break
		}
		if e := rest(ctx, 50*time.Millisecond); e != nil {
			return fmt.Errorf("the source made no topic: %w: %w", e, err)
		}
	}
	var err error
	if c.consumer, err = load.NewConsumer(ctx, c.server.Pulsar, load.Subscription{Name: "bench", Earliest: true, Each: each}, cdcTopic); err != nil {
		return err
	}
	_, err = c.consumer.Wait(ctx, 1)
	c.rows = 1
	return err
}

func (c *cdc) exec(ctx context.Context, sql string) error {
	_, err := c.conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	return err
}

// source starts or stops the source.
func (c *cdc) source(ctx context.Context, verb string) error {
	_, err := c.server.Run(ctx, "sources", verb, "bench")
	return err
}

// reader is a plain reader on one of the slots.
func (c *cdc) reader(slot string) floor.WAL {
	return floor.WAL{DSN: c.postgres.DSN, Slot: slot, Publication: cdcPublication}
}

// skip moves a slot of a plain reader to the end of the WAL, once the server has noticed that the reader is gone.
func (c *cdc) skip(ctx context.Context, slot string) error {
	for {
		err := c.exec(ctx, "select pg_replication_slot_advance('"+slot+"', pg_current_wal_lsn())")
		var busy *pgconn.PgError
		if !errors.As(err, &busy) || busy.Code != "55006" {
			return err
		}
		if err := rest(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

func (c *cdc) close(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	if c.consumer != nil {
		c.consumer.Close()
	}
	if c.server != nil {
		c.server.Close()
	}
	if c.conn != nil {
		c.conn.Close(ctx)
	}
	if c.postgres != nil {
		c.postgres.Close()
	}
}

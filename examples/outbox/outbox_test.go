package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/strobemq/strobe/connectors/postgres/postgrestest"
)

// rounds is how often something is killed.
const rounds = 20

// TestPipelineThroughKills commits rows into a real Postgres while strobe, the child that holds function and source, and Postgres
// itself are killed with SIGKILL in turn, twenty times. Postgres has the last word on what was committed: in the end the
// function's output topic must hold exactly the rows of the table, each once, in order for each customer.
func TestPipelineThroughKills(t *testing.T) {
	if testing.Short() {
		t.Skip("kills real processes for half a minute")
	}
	t.Chdir("../..")
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	d := &demo{quiet: true, dir: t.TempDir(), started: time.Now(), strobe: buildStrobe(t)}
	var err error
	d.postgres, err = postgrestest.Start(postgrestest.Options{Dir: filepath.Join(d.dir, "postgres"), Progress: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	defer d.postgres.Close()
	must(t, d.postgres.Exec(ctx, `create table outbox (id uuid primary key, aggregatetype text not null, aggregateid text not null, type text not null, payload jsonb)`))
	must(t, d.build(ctx))
	d.server, err = d.startStrobe(ctx)
	must(t, err)
	defer func() { d.server.Close() }()
	must(t, d.command(ctx, "apply", "-f", filepath.Join(d.dir, "pipeline.yaml")))

	stop := make(chan struct{})
	wrote := make(chan error, writers)
	for w := range writers {
		go func() { wrote <- d.writeThrough(ctx, w, stop) }()
	}
	for round := range rounds {
		wait(ctx, time.Duration(150+rand.IntN(500))*time.Millisecond)
		switch round % 3 {
		case 0:
			d.server.Kill()
			p, err := d.server.Again(ctx)
			must(t, err)
			d.server = p
		case 1:
			killChild(t, d.server.PID)
		case 2:
			d.postgres.Kill()
			must(t, d.postgres.Restart())
		}
	}
	close(stop)
	for range writers {
		must(t, <-wrote)
	}
	committed := table(t, ctx, d.postgres.DSN)
	found, err := readAll(ctx, d.server.Pulsar, committed.count())
	if err == nil {
		err = judge(committed, found)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, tail(d.server.Log(), 8<<10))
	}
	t.Logf("%d rows through %d kills", committed.count(), rounds)
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d): // how long a process is let run before it is killed
	case <-ctx.Done():
	}
}

// writeThrough commits rows until stop, connecting again whenever Postgres was killed. After a commit whose answer was lost it looks
// into the table which rows are there, so that the order of a customer's rows stays known.
func (d *demo) writeThrough(ctx context.Context, writer int, stop chan struct{}) error {
	customer := fmt.Sprintf("customer-%d", writer)
	seq := 0
	for {
		c, err := pgx.Connect(ctx, d.postgres.DSN)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			wait(ctx, 20*time.Millisecond)
			continue
		}
		err = c.QueryRow(ctx, `select coalesce(max((payload->>'seq')::int), 0) from outbox where aggregateid = $1`, customer).Scan(&seq)
		for err == nil {
			select {
			case <-stop:
				return c.Close(ctx)
			default:
			}
			var list []row
			for i := range 1 + rand.IntN(10) {
				list = append(list, row{ID: newID(), Customer: customer, Seq: seq + 1 + i, Net: rand.Int64N(100_000)})
			}
			var tx pgx.Tx
			if tx, err = c.Begin(ctx); err != nil {
				break
			}
			if err = insert(ctx, tx, list); err != nil {
				break
			}
			if rand.IntN(10) == 0 {
				err = tx.Rollback(ctx)
				continue
			}
			if err = tx.Commit(ctx); err == nil {
				seq += len(list)
				wait(ctx, time.Duration(rand.IntN(10))*time.Millisecond)
			}
		}
		_ = c.Close(ctx) // the server was killed
	}
}

// table is what Postgres says was committed.
func table(t *testing.T, ctx context.Context, dsn string) *ledgerOfRows {
	t.Helper()
	c, err := pgx.Connect(ctx, dsn)
	must(t, err)
	defer c.Close(ctx)
	rows, err := c.Query(ctx, `select payload from outbox`)
	must(t, err)
	defer rows.Close()
	l := newLedgerOfRows()
	for rows.Next() {
		var text []byte
		must(t, rows.Scan(&text))
		var r row
		must(t, json.Unmarshal(text, &r))
		l.add(r)
	}
	must(t, rows.Err())
	return l
}

// killChild kills the process that strobe has started for functions and sources, if it is there just now.
func killChild(t *testing.T, parent int) {
	t.Helper()
	out, err := exec.Command("ps", "-eo", "pid=,ppid=").Output()
	must(t, err)
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) == 2 && f[1] == strconv.Itoa(parent) {
			pid, err := strconv.Atoi(f[0])
			must(t, err)
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may be gone already
		}
	}
}

func buildStrobe(t *testing.T) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "strobe")
	cmd := exec.Command("go", "build", "-o", out, "./cmd/strobe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func tail(b string, n int) string { return b[max(0, len(b)-n):] }

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

func newID() string { return uuid.NewString() }

// row is an order as it is committed, and as it comes back.
type row struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
	Seq      int    `json:"seq"`
	Net      int64  `json:"net"`
}

// ledgerOfRows is what was committed, by Postgres' own word.
type ledgerOfRows struct {
	mu   sync.Mutex
	rows map[string]row
}

func newLedgerOfRows() *ledgerOfRows { return &ledgerOfRows{rows: map[string]row{}} }

func (l *ledgerOfRows) add(rows ...row) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range rows {
		l.rows[r.ID] = r
	}
}

func (l *ledgerOfRows) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.rows)
}

const writers = 4

// commitRows commits random rows in random transactions, some of which are rolled back. Each writer has customers of its own, so
// that the order of a customer's rows is known.
func (d *demo) commitRows(ctx context.Context, committed *ledgerOfRows) error {
	errs := make(chan error, writers)
	for w := range writers {
		go func() { errs <- d.write(ctx, w, d.rows/writers, committed) }()
	}
	for range writers {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) write(ctx context.Context, writer, rows int, committed *ledgerOfRows) error {
	c, err := pgx.Connect(ctx, d.postgres.DSN)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	seq := map[string]int{}
	for rows > 0 {
		n := min(1+rand.IntN(20), rows)
		rollback := rand.IntN(8) == 0
		next := map[string]int{}
		var list []row
		for range n {
			customer := fmt.Sprintf("customer-%d-%d", writer, rand.IntN(5))
			next[customer]++
			list = append(list, row{ID: newID(), Customer: customer, Seq: seq[customer] + next[customer], Net: rand.Int64N(100_000)})
		}
		tx, err := c.Begin(ctx)
		if err != nil {
			return err
		}
		if err := insert(ctx, tx, list); err != nil {
			return err
		}
		if rollback {
			if err := tx.Rollback(ctx); err != nil {
				return err
			}
			continue
		}
		if err := tx.Commit(ctx); err != nil {
			return err
		}
		committed.add(list...)
		for customer, k := range next {
			seq[customer] += k
		}
		rows -= n
		select { // a steady stream rather than one burst, so that the kill hits the middle of something
		case <-time.After(time.Duration(rand.IntN(20)) * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

type execer interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

func insert(ctx context.Context, tx execer, list []row) error {
	var b pgx.Batch
	for _, r := range list {
		payload, err := json.Marshal(r)
		if err != nil {
			return err
		}
		b.Queue(`insert into outbox values ($1, 'Order', $2, 'OrderCreated', $3)`, r.ID, r.Customer, string(payload))
	}
	return tx.SendBatch(ctx, &b).Close()
}

// arrival is the first row at the client.
type arrival struct {
	row     row
	payload string
	took    time.Duration
}

func (d *demo) firstRow(ctx context.Context, seen *watcher) (arrival, error) {
	c, err := pgx.Connect(ctx, d.postgres.DSN)
	if err != nil {
		return arrival{}, err
	}
	defer c.Close(ctx)
	r := row{ID: newID(), Customer: "customer-first", Seq: 1, Net: 1000}
	tx, err := c.Begin(ctx)
	if err != nil {
		return arrival{}, err
	}
	if err := insert(ctx, tx, []row{r}); err != nil {
		return arrival{}, err
	}
	if err := tx.Commit(ctx); err != nil {
		return arrival{}, err
	}
	at := time.Now()
	payload, err := seen.next(ctx)
	return arrival{row: r, payload: payload, took: time.Since(at)}, err
}

// killInTheMiddle waits until half of the rows are committed, kills strobe and starts it again at the same addresses.
func (d *demo) killInTheMiddle(ctx context.Context, committed *ledgerOfRows) error {
	for committed.count() < d.rows/2 {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	d.say("kill -9 of strobe after %d committed rows", committed.count())
	d.server.Kill()
	p, err := d.server.Again(ctx)
	if err != nil {
		return err
	}
	d.server = p
	d.say("strobe is ready again after %d ms", p.ReadyMs)
	return nil
}

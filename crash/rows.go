package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// row is an order as it is committed into the outbox, and as it comes out.
type row struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
	Seq      int    `json:"seq"` // counts the orders of a customer, without holes
	Net      int64  `json:"net"` // follows from the two before, so that a row cannot come out as another
}

func newRow(customer, seq int) row {
	return row{fmt.Sprintf("order-%d-%d", customer, seq), fmt.Sprintf("customer-%d", customer), seq, int64(seq*100 + customer)}
}

// customers is how many keys the rows have.
const customers = 5

// rows commits orders into Postgres, which has the last word on what was committed.
type rows struct {
	dsn       string
	stop      context.CancelFunc
	stopped   chan struct{}
	committed atomic.Int64 // about how many: after a lost answer it is not known
}

const outbox = `create table outbox (id text primary key, aggregatetype text not null, aggregateid text not null, type text not null, payload jsonb)`

func startRows(ctx context.Context, dsn string) *rows {
	ctx, stop := context.WithCancel(ctx)
	r := &rows{dsn: dsn, stop: stop, stopped: make(chan struct{})}
	go func() {
		defer close(r.stopped)
		for ctx.Err() == nil {
			r.session(ctx)
			sleep(ctx, 50*time.Millisecond)
		}
	}()
	return r
}

// session commits rows until the server goes or ctx ends.
func (r *rows) session(ctx context.Context) {
	c, err := pgx.Connect(ctx, r.dsn)
	if err != nil {
		return
	}
	defer c.Close(context.WithoutCancel(ctx))
	last, _, err := r.table(ctx, c)
	for err == nil && ctx.Err() == nil {
		err = r.commit(ctx, c, &last)
		sleep(ctx, rand.N(60*time.Millisecond))
	}
}

// commit is one transaction of some rows, now and then rolled back.
func (r *rows) commit(ctx context.Context, c *pgx.Conn, last *[customers]int) error {
	next := *last
	n := 1 + rand.IntN(8)
	var b pgx.Batch
	for range n {
		customer := rand.IntN(customers)
		next[customer]++
		o := newRow(customer, next[customer])
		payload, err := json.Marshal(o)
		if err != nil {
			return err
		}
		b.Queue(`insert into outbox values ($1, 'Order', $2, 'OrderCreated', $3)`, o.ID, o.Customer, string(payload))
	}
	tx, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return err
	}
	if rand.IntN(10) == 0 {
		return tx.Rollback(ctx)
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	*last = next
	r.committed.Add(int64(n))
	return nil
}

// table is the last order of each customer, and how many rows there are, as Postgres says.
func (r *rows) table(ctx context.Context, c *pgx.Conn) (last [customers]int, count int, err error) {
	for i := range last {
		err = c.QueryRow(ctx, `select coalesce(max((payload->>'seq')::int), 0), count(*) from outbox where aggregateid = $1`, newRow(i, 0).Customer).Scan(&last[i], &count)
		if err != nil {
			return last, 0, err
		}
	}
	err = c.QueryRow(ctx, `select count(*) from outbox`).Scan(&count)
	return last, count, err
}

// end stops the writer and says what is in the table.
func (r *rows) end(ctx context.Context) (last [customers]int, count int, err error) {
	r.stop()
	<-r.stopped
	c, err := pgx.Connect(ctx, r.dsn)
	if err != nil {
		return last, 0, err
	}
	defer c.Close(ctx)
	return r.table(ctx, c)
}

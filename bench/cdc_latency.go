package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"

	"github.com/strobemq/strobe/bench/load"
	"github.com/strobemq/strobe/bench/machine"
	"github.com/strobemq/strobe/bench/report"
)

const cdcClients = 8 // that insert rows, each a transaction

// cdcRates are how many rows a second are inserted; the goals of absolute time are about the last.
var cdcRates = []int{1000, 5000}

const (
	cdcMaxP50 = 2 * time.Millisecond
	cdcMaxP99 = 10 * time.Millisecond
)

// arrivals gathers how long rows took, from their insertion to whoever looks.
type arrivals struct {
	mu   sync.Mutex
	list []load.Answer
	from time.Time // 0: nobody wants to know
}

// saw notes a payload.
func (a *arrivals) saw(payload []byte) error {
	now := time.Now()
	inserted, err := insertedAt(payload)
	if err != nil {
		return err
	}
	a.add(inserted, now)
	return nil
}

// add notes what began and came to its end.
func (a *arrivals) add(begun, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.from.IsZero() {
		a.list = append(a.list, load.Answer{At: now.Sub(a.from), Took: now.Sub(begun)})
	}
}

// insertedAt reads the moment that a row carries.
func insertedAt(payload []byte) (time.Time, error) {
	_, rest, found := bytes.Cut(payload, []byte(`"at": `))
	if !found { // JSON in a JSON string
		_, rest, found = bytes.Cut(payload, []byte(`\"at\": `))
	}
	digits := 0
	for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
		digits++
	}
	us, err := strconv.ParseInt(string(rest[:digits]), 10, 64)
	if !found || err != nil {
		return time.Time{}, fmt.Errorf("a row without its time: %.100q", payload)
	}
	return time.UnixMicro(us), nil
}

func (a *arrivals) begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list, a.from = nil, time.Now()
}

func (a *arrivals) end() []load.Answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.from = time.Time{}
	return a.list
}

// after is end for what began after the first part: a reader that is just connecting has what came meanwhile all at once.
func (a *arrivals) after(first time.Duration) load.Latency {
	return load.Summarize(slices.DeleteFunc(a.end(), func(x load.Answer) bool { return x.At-x.Took < first }))
}

// firstOfRows is the first part of n rows at a rate.
func firstOfRows(rate, n int) time.Duration {
	return time.Duration(n) * time.Second / time.Duration(4*rate)
}

// measureCDCLatency inserts rows at a fixed rate with synchronous commits and measures from the insertion to the consumer of the topic, and to
// a plain reader of the WAL. The time of the commit itself is in both.
func measureCDCLatency(ctx context.Context, b *bench) error {
	var ours, bare arrivals
	c, err := b.startCDC(ctx, func(entry []byte) error { return load.Payloads(entry, ours.saw) })
	defer c.close(ctx)
	if err != nil {
		return err
	}
	clients := make([]*pgx.Conn, cdcClients)
	for i := range clients {
		if clients[i], err = pgx.Connect(ctx, c.postgres.DSN); err != nil {
			return err
		}
		defer clients[i].Close(context.WithoutCancel(ctx))
	}
	for _, rate := range cdcRates {
		if err := b.cdcLatency(ctx, c, clients, rate, &ours, &bare); err != nil {
			return fmt.Errorf("%d rows a second: %w", rate, err)
		}
	}
	return nil
}

func (b *bench) cdcLatency(ctx context.Context, c *cdc, clients []*pgx.Conn, rate int, ours, bare *arrivals) error {
	n := cdcCount(rate, b.shorter(sliceTime))
	summary := func(a *arrivals) sample {
		l := a.after(firstOfRows(rate, n))
		return sample{"p50": l.P50.Seconds(), "p99": l.P99.Seconds(), "rows": float64(l.Answers)}
	}
	source := func(ctx context.Context) (sample, error) {
		if err := c.source(ctx, "start"); err != nil {
			return nil, err
		}
		if err := c.settled(ctx, clients[0]); err != nil {
			return nil, err
		}
		before := c.consumer.Delivered().Messages
		ours.begin()
		err := insertRows(ctx, clients, rate, n)
		if err == nil {
			_, err = c.consumer.Wait(ctx, before+uint64(n))
		}
		if err != nil {
			return nil, err
		}
		return summary(ours), c.source(ctx, "stop")
	}
	r, err := b.alternate(ctx,
		contender{strobe, source},
		contender{"F7", func(ctx context.Context) (sample, error) {
			if err := c.skip(ctx, "library"); err != nil {
				return nil, err
			}
			read := make(chan error, 1)
			go func() {
				_, err := c.reader("library").Library(ctx, n, func(columns []*pglogrepl.TupleDataColumn) {
					_ = bare.saw(columns[len(columns)-1].Data) // the payload is the last column, and what is amiss with it shows in the count
				})
				read <- err
			}()
			bare.begin()
			if err := insertRows(ctx, clients, rate, n); err != nil {
				return nil, err
			}
			if err := <-read; err != nil {
				return nil, err
			}
			return summary(bare), nil
		}})
	if err != nil {
		return err
	}
	goal := 3.0
	if b.publishP50 > 0 {
		goal += b.publishP50 / r.median("F7", "p50")
	}
	what := fmt.Sprintf("%d K rows a second, synchronous commits", rate/1000)
	row := r.row(report.Row{What: "row to consumer p50, " + what, Unit: report.Seconds, Of: "F7",
		Goal: report.Goal{Value: goal, AtMost: true, Text: "≤ 3 + publish p50"}}, strobe, "F7", "p50")
	b.add(row)
	b.add(r.row(report.Row{What: "row to consumer p99, " + what, Unit: report.Seconds, Of: "F7"}, strobe, "F7", "p99"))
	if rate == cdcRates[len(cdcRates)-1] {
		b.add(r.row(report.Row{What: "row to consumer p50, " + what, Unit: report.Seconds, Goal: report.AtMost(cdcMaxP50.Seconds())}, strobe, "", "p50"))
		b.add(r.row(report.Row{What: "row to consumer p99, " + what, Unit: report.Seconds, Goal: report.AtMost(cdcMaxP99.Seconds())}, strobe, "", "p99"))
	}
	row.What += " (the child process)"
	return b.profileMiss(ctx, row, c.profiles.Host, source)
}

// settled waits until the source has caught up: until a row inserted now has arrived.
func (c *cdc) settled(ctx context.Context, client *pgx.Conn) error {
	for {
		before := c.consumer.Delivered()
		if err := insertRow(ctx, client); err != nil {
			return err
		}
		if _, err := c.consumer.Wait(ctx, before.Messages+1); err != nil {
			return err
		}
		if err := rest(ctx, 300*time.Millisecond); err != nil {
			return err
		}
		if c.consumer.Delivered().Messages == before.Messages+1 {
			return nil
		}
	}
}

// insertRow inserts a row as its own transaction. With a parameter the statement is prepared once: to parse and plan it five thousand times a second takes a
// good part of the machine.
func insertRow(ctx context.Context, c *pgx.Conn) error {
	_, err := c.Exec(ctx, "insert into outbox values (gen_random_uuid(), 'Order', $1, 'OrderCreated', event())", "customer-1")
	return err
}

// insertRows inserts n rows at a rate, the clients in turn.
func insertRows(ctx context.Context, clients []*pgx.Conn, rate, n int) error {
	errs := make(chan error, len(clients))
	start := time.Now()
	for i, c := range clients {
		go func() {
			pacer := machine.NewPacer()
			defer pacer.Close()
			for k := i; k < n; k += len(clients) {
				pacer.Until(start.Add(time.Duration(k) * time.Second / time.Duration(rate)))
				if err := insertRow(ctx, c); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	var err error
	for range clients {
		err = firstOf(err, <-errs)
	}
	return err
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// cdcCount is how many rows are inserted in d, and one more.
func cdcCount(rate int, d time.Duration) int { return int(d.Seconds()*float64(rate)) + 1 }

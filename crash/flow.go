package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/strobemq/strobe/broker/wire/pb"
)

// pipeline is what is applied to both forms: rows come out of Postgres into a topic, and through a function into another.
const pipeline = `apiVersion: strobe/v1
kind: Function
metadata: {name: enrich}
spec:
  wasm: ./enrich.wasm
  inputs: [outbox.event.Order]
  output: orders-enriched
  guarantee: effectively-once
  position: earliest
  config: {currency: EUR}
---
apiVersion: strobe/v1
kind: Source
metadata: {name: shop-FORM}
spec:
  connector: postgres
  config: {mode: outbox, host: 127.0.0.1, port: PORT, database: postgres, user: postgres, password: "env:SHOP_PASSWORD", table: public.outbox}
`

// secret is the environment by which processes know the password of Postgres.
func (w *world) secret() []string {
	if w.postgres == nil {
		return nil
	}
	return []string{"SHOP_PASSWORD=" + w.postgres.Password}
}

// forms are the names of cluster and standalone.
var forms = [2]string{"cluster", "alone"}

// startRows builds the function, deploys it with the source, and begins to commit rows.
func (w *world) startRows() error {
	if err := w.postgres.Exec(w.ctx, outbox); err != nil {
		return err
	}
	wasm := filepath.Join(w.o.dir, "enrich.wasm")
	if text, err := exec.CommandContext(w.ctx, w.o.strobe, "functions", "build", "examples/outbox/enrich", "--out", wasm).CombinedOutput(); err != nil {
		return fmt.Errorf("building the function: %w\n%s", err, text)
	}
	for form, m := range []*member{w.brokers[0], w.alone} {
		file := filepath.Join(w.o.dir, "pipeline-"+forms[form]+".yaml")
		text := strings.NewReplacer("FORM", forms[form], "PORT", fmt.Sprint(w.postgres.Port)).Replace(pipeline)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
		err := again(w.ctx, func() error { // of two brokers none may run the worker yet
			_, err := m.p.Load().Run(w.ctx, "apply", "-f", file)
			return err
		})
		if err != nil {
			return err
		}
		for _, topic := range []string{"outbox.event.Order", "orders-enriched"} {
			f := &flow{topic: "persistent://public/default/" + topic, form: form, client: w.clients[form], owner: w.owner(form), v: &w.verdict, enriched: topic == "orders-enriched"}
			f.begin(w.ctx)
			w.closers = append(w.closers, func() { <-f.stopped })
			w.flows = append(w.flows, f)
		}
	}
	w.rows = startRows(w.ctx, w.postgres.DSN)
	w.closers = append(w.closers, func() { <-w.rows.stopped })
	w.say("a function and a Postgres source run in both forms")
	return nil
}

// flow is a topic through which rows come, consumed all the time and read back in the end.
type flow struct {
	topic    string
	form     int
	client   pulsar.Client
	owner    func(ctx context.Context, topic string) (url string, err error)
	v        *verdict
	enriched bool
	live     tally
	stop     context.CancelFunc
	stopped  chan struct{}
}

// tally is what one reader of a flow saw.
type tally struct {
	last  position
	seq   [customers]int
	came  atomic.Int64
	again int
}

func (f *flow) begin(ctx context.Context) {
	ctx, f.stop = context.WithCancel(ctx)
	f.stopped = make(chan struct{})
	f.live.last = nowhere
	t := tail{owner: f.owner, topic: f.topic, name: "judge", kind: pb.Subscribe_EXCLUSIVE, finished: func() bool { return ctx.Err() != nil }}
	t.each = func(m message) {
		if err := f.take(&f.live, m); err != nil {
			f.v.wrongf("%s of the %s, consumer: %v", f.topic, forms[f.form], err)
		}
	}
	go func() {
		defer close(f.stopped)
		t.run(ctx)
	}()
}

// take judges one message: each customer's orders come once and in order.
func (f *flow) take(t *tally, m message) error {
	p := m.at
	if !p.after(t.last) {
		t.again++
		return nil
	}
	t.last = p
	t.came.Add(1)
	var got struct {
		row
		Tax, Total int64
		Currency   string
	}
	if err := json.Unmarshal(m.payload, &got); err != nil {
		return fmt.Errorf("%.100q at %v: %w", m.payload, p, err)
	}
	var customer int
	if _, err := fmt.Sscanf(got.Customer, "customer-%d", &customer); err != nil || customer < 0 || customer >= customers {
		return fmt.Errorf("%.100q at %v was never committed", m.payload, p)
	}
	want := newRow(customer, got.Seq)
	tax := want.Net * 19 / 100
	if got.row != want || string(m.key) != want.Customer || f.enriched && (got.Tax != tax || got.Total != want.Net+tax || got.Currency != "EUR") {
		return fmt.Errorf("%.100q at %v came out wrong, with key %s", m.payload, p, m.key)
	}
	last := t.seq[customer]
	t.seq[customer] = max(last, got.Seq)
	if got.Seq != last+1 {
		return fmt.Errorf("order %d of customer %d came at %v, after %d", got.Seq, customer, p, last)
	}
	return nil
}

// judgeRows ends the writer of rows and compares what came through with what is in the table, live and read back from the start.
func (w *world) judgeRows() {
	if w.rows == nil || w.ctx.Err() != nil || len(w.verdict.all()) > 0 {
		return
	}
	last, count, err := w.rows.end(w.ctx)
	if err != nil {
		w.verdict.wrongf("the table of rows: %v", err)
		return
	}
	for _, f := range w.flows {
		came := make(chan struct{})
		go func() { // ends with the run at the latest
			defer close(came)
			for f.live.came.Load() < int64(count) && w.ctx.Err() == nil {
				sleep(w.ctx, 20*time.Millisecond)
			}
		}()
		if !w.waitFor(came, f.live.came.Load) {
			w.verdict.wrongf("%s of the %s: %d of %d committed rows came, and no more come", f.topic, forms[f.form], f.live.came.Load(), count)
			return
		}
		f.stop()
		<-f.stopped
		back, err := f.readBack(w.ctx, count)
		if err != nil && w.ctx.Err() == nil {
			w.verdict.wrongf("%s of the %s, read back: %v", f.topic, forms[f.form], err)
			return
		}
		for _, t := range []*tally{&f.live, back} {
			if t.seq != last || t.came.Load() != int64(count) {
				w.verdict.wrongf("%s of the %s: %d rows came, up to %v for each customer; %d are committed, up to %v", f.topic, forms[f.form], t.came.Load(), t.seq, count, last)
			}
		}
	}
	w.results.rows = count
}

// readBack reads the topic from its start to its end.
func (f *flow) readBack(ctx context.Context, count int) (*tally, error) {
	back := &tally{last: nowhere}
	last, err := endOf(ctx, f.client, f.topic)
	if err != nil {
		return back, err
	}
	var wrong error
	quiet := time.Now()
	t := tail{owner: f.owner, topic: f.topic, name: "read-back", kind: pb.Subscribe_EXCLUSIVE, noAcks: true}
	t.each = func(m message) {
		quiet = time.Now()
		if err := f.take(back, m); err != nil && wrong == nil {
			wrong = err
		}
	}
	t.finished = func() bool { return !last.after(back.last) || wrong != nil || time.Since(quiet) > silence }
	t.run(ctx)
	return back, wrong
}

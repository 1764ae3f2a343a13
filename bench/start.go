package main

import (
	"context"
	"os"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/strobemq/strobe/bench/report"
	"github.com/strobemq/strobe/internal/product"
)

const starts = 20

// measureStart times exec to the first acknowledgement that a stock client gets, each time in an empty directory. The client is made after the
// server said that it is ready, because only then its port is known.
func measureStart(ctx context.Context, b *bench) error {
	var all, ready []float64
	n := starts
	if b.quick {
		n /= 4
	}
	for range n {
		b.gate.Wait(ctx)
		dir := b.path("start")
		begin := time.Now()
		s, err := product.Start(ctx, product.Options{Binary: b.strobe, Dir: dir, Set: b.set})
		if err != nil {
			return err
		}
		at := time.Since(begin)
		err = firstPublish(ctx, s.Pulsar, "first")
		took := time.Since(begin)
		s.Close()
		os.RemoveAll(dir)
		if err != nil {
			return err
		}
		all, ready = append(all, took.Seconds()), append(ready, at.Seconds())
	}
	b.add(report.Row{What: "start to first acknowledged publish, stock Go client, median", Unit: report.Seconds, Product: report.Median(all),
		Goal: report.AtMost(0.150), Note: "of which ready after " + report.Format(report.Median(ready), report.Seconds)})
	return nil
}

// firstPublish has a stock client publish one message.
func firstPublish(ctx context.Context, url, topic string) error {
	c, err := newStockClient(url)
	if err != nil {
		return err
	}
	defer c.Close()
	p, err := c.CreateProducer(pulsar.ProducerOptions{Topic: topic})
	if err != nil {
		return err
	}
	defer p.Close()
	_, err = p.Send(ctx, &pulsar.ProducerMessage{Payload: []byte("hello")})
	return err
}

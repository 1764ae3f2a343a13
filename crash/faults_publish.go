package main

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/strobemq/strobe/bench/load"
	"github.com/strobemq/strobe/internal/product"
)

// publish sends at the rate until d is over and returns the answers. A refusal ends it.
func publish(ctx context.Context, c *product.Cluster, d time.Duration) (answers []load.Answer, sent, failed int, err error) {
	p, err := load.NewProducer(ctx, c.Brokers[0].Pulsar, faultTopic, faultShape)
	if err != nil {
		return nil, 0, 0, err
	}
	defer p.Close()
	answers, err = p.Steady(ctx, time.Second/faultRate, d)
	n, acked := p.Counts()
	return answers, int(n), int(n - acked), err
}

// publishStock does the same with the stock client, which looks for another broker when one goes, and sends again what it has no receipt for.
func publishStock(ctx context.Context, c *product.Cluster, d time.Duration, dir string) (answers []load.Answer, sent, failed int, err error) {
	client, log, err := newClient(c.URL(), dir, "client")
	if err != nil {
		return nil, 0, 0, err
	}
	defer log.Close()
	defer client.Close()
	// All that comes due in the stall waits in the client.
	p, err := client.CreateProducer(pulsar.ProducerOptions{Topic: faultTopic, Name: "steady", DisableBatching: true, SendTimeout: -1, MaxPendingMessages: faultRate * int(d/time.Second),
		BackOffPolicyFunc: eager})
	if err != nil {
		return nil, 0, 0, err
	}
	defer p.Close()
	var mu sync.Mutex
	var pending sync.WaitGroup
	payload := load.Payload(faultShape.Size)
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	start := time.Now()
	for now := time.Duration(0); now < d && ctx.Err() == nil; {
		<-pace.C
		now = time.Since(start)
		for ; time.Duration(sent)*time.Second/faultRate <= now; sent++ {
			at := time.Duration(sent) * time.Second / faultRate
			pending.Add(1)
			p.SendAsync(ctx, &pulsar.ProducerMessage{Payload: payload, Key: strconv.Itoa(sent % keys)}, func(_ pulsar.MessageID, _ *pulsar.ProducerMessage, e error) {
				defer pending.Done()
				took := time.Since(start) - at
				mu.Lock()
				defer mu.Unlock()
				if e != nil {
					failed++
					err = e
					return
				}
				answers = append(answers, load.Answer{At: at, Took: took})
			})
		}
	}
	pending.Wait()
	mu.Lock()
	defer mu.Unlock()
	slices.SortFunc(answers, func(a, b load.Answer) int { return int(a.At - b.At) })
	return answers, sent, failed, err
}

package main

import (
	"context"
	"time"

	"github.com/strobemq/strobe/bench/load"
	"github.com/strobemq/strobe/bench/product"
)

// shape is one form of the publish measurements.
type shape struct {
	load.Shape
	window   int           // entries unanswered at most
	interval time.Duration // of the latency measurement; 0: none
}

// shapes are those of performance figures in the field: a client's batch of a millisecond at 50 K/s, messages one by one, small ones in
// large batches. The windows are 13, 4 and 13 MB.
var shapes = []shape{
	{load.Shape{Messages: 50, Size: 1024}, 256, time.Millisecond},
	{load.Shape{Messages: 1000, Size: 100}, 128, 0},
	{load.Shape{Messages: 1, Size: 1024}, 4096, 0},
}

// pipelineContender is a producer and a consumer of F3.
type pipelineContender struct {
	addr     string
	shape    load.Shape
	producer *load.Producer
	consumer *load.Consumer
}

func (c *pipelineContender) connect(ctx context.Context) (err error) {
	if c.consumer, err = load.NewPipelineConsumer(ctx, c.addr, c.shape); err != nil {
		return err
	}
	c.producer, err = load.NewPipelineProducer(ctx, c.addr, c.shape)
	return err
}

func (c *pipelineContender) close() { closeBoth(c.producer, c.consumer) }

// strobeContender is a producer and a consumer of the product.
type strobeContender struct {
	server   *product.Server
	topic    string
	shape    load.Shape
	producer *load.Producer
	consumer *load.Consumer
}

func (c *strobeContender) connect(ctx context.Context) (err error) {
	sub := load.Subscription{Name: "bench", Messages: c.shape.Messages, Permits: uint32(4 * 256 * c.shape.Messages)}
	if c.consumer, err = load.NewConsumer(ctx, c.server.Pulsar, sub, c.topic); err != nil {
		return err
	}
	c.producer, err = load.NewProducer(ctx, c.server.Pulsar, c.topic, c.shape)
	return err
}

func (c *strobeContender) close() { closeBoth(c.producer, c.consumer) }

func closeBoth(p *load.Producer, c *load.Consumer) {
	if p != nil {
		p.Close()
	}
	if c != nil {
		c.Close()
	}
}

// delivered waits until the consumer has everything that the producer sent, so that no slice leaves work to the next.
func delivered(ctx context.Context, p *load.Producer, c *load.Consumer, s load.Shape) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	sent, _ := p.Counts()
	_, err := c.Wait(ctx, sent*uint64(s.Messages))
	return err
}

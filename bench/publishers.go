package main

import (
	"context"
	"strings"
	"time"

	"github.com/strobemq/strobe/bench/load"
	"github.com/strobemq/strobe/internal/product"
)

// Names of contenders, as they stand in the table.
const (
	strobe   = "strobe"
	other    = "the other strobe"
	unread   = "strobe, nobody reads" // the same one, another topic
	tcp      = "F3"
	direct   = "F3 -direct"
	separate = "F3 in five processes"
	peerNATS = "NATS R3, sync always"
)

// shape is one form of the publish measurements.
type shape struct {
	load.Shape
	window   int           // entries unanswered at most
	interval time.Duration // of the latency measurement; 0: none
}

// The shapes of performance figures in the field: a client's batch of a millisecond at 50 K/s, small messages in large batches, messages
// one by one. The windows are 13, 13 and 4 MB.
var (
	batched = shape{load.Shape{Messages: 50, Size: 1024}, 256, time.Millisecond}
	small   = shape{load.Shape{Messages: 1000, Size: 100}, 128, 0}
	single  = shape{load.Shape{Messages: 1, Size: 1024}, 4096, 0}
)

// ends are a producer and a consumer at the tail of what it publishes.
type ends struct {
	name     string
	shape    load.Shape
	producer *load.Producer
	consumer *load.Consumer // nil: none
	pids     []int          // of what is measured
	log      *deployment    // of Strobe; nil: something else
}

// delivered waits until the consumer has everything that the producer sent, so that no slice leaves work to the next.
func (e *ends) delivered(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if e.consumer == nil {
		return nil
	}
	sent, _ := e.producer.Counts()
	_, err := e.consumer.Wait(ctx, sent*uint64(e.shape.Messages))
	return err
}

func (e *ends) close() {
	if e.producer != nil {
		e.producer.Close()
	}
	if e.consumer != nil {
		e.consumer.Close()
	}
}

func pipelineEnds(ctx context.Context, addr string, s load.Shape) (e *ends, err error) {
	e = &ends{shape: s}
	if e.consumer, err = load.NewPipelineConsumer(ctx, addr, s); err != nil {
		return e, err
	}
	e.producer, err = load.NewPipelineProducer(ctx, addr, s)
	return e, err
}

func strobeEnds(ctx context.Context, server *product.Process, s shape) (*ends, error) {
	return pulsarEnds(ctx, server.Pulsar, "persistent://public/default/bench", s)
}

// pulsarEnds connects to the broker at url, which serves the topic already or takes it unasked.
func pulsarEnds(ctx context.Context, url, topic string, s shape) (e *ends, err error) {
	e = &ends{shape: s.Shape}
	sub := load.Subscription{Name: "bench", Messages: s.Messages, Permits: s.permits()}
	if e.consumer, err = load.NewConsumer(ctx, url, sub, topic); err != nil {
		return e, err
	}
	e.producer, err = load.NewProducer(ctx, url, topic, s.Shape)
	return e, err
}

// publishers are the product, forms of F3 and perhaps a peer, each with its ends.
type publishers struct {
	server  *deployment
	all     []*ends // the product's first
	closers []func()
}

// permits is how far the broker may deliver ahead: more than can be on its way, so that nobody waits for the generator.
func (s shape) permits() uint32 { return uint32(4 * s.window * s.Messages) }

// floors are the forms of F3 beside a form of the product, that of the goal first; with another strobe, that is what counts and the second
// stays away.
func (b *bench) floors(f form) []string {
	if b.against != "" {
		return f.floors[:1]
	}
	return f.floors
}

// beside is what a row of the product stands beside.
func (b *bench) beside(f form) []string {
	if b.against != "" {
		return append(b.floors(f)[:1:1], other)
	}
	return b.floors(f)
}

// startPublishers starts them all; close them in any case.
func (b *bench) startPublishers(ctx context.Context, f form, s shape) (*publishers, error) {
	p := &publishers{}
	var err error
	if p.server, err = b.startStrobe(ctx, p, f, s, strobe, b.strobe); err != nil {
		return p, err
	}
	if b.against != "" {
		if _, err := b.startStrobe(ctx, p, f, s, other, b.against); err != nil {
			return p, err
		}
	}
	for _, name := range b.floors(f) {
		probes, err := b.startPipeline(ctx, name)
		for _, f := range probes {
			p.closers = append(p.closers, f.close)
		}
		if err != nil {
			return p, err
		}
		e, err := pipelineEnds(ctx, probes[len(probes)-1].said, s.Shape)
		for _, f := range probes {
			e.pids = append(e.pids, f.cmd.Process.Pid)
		}
		if err := p.add(name, e, err); err != nil {
			return p, err
		}
	}
	return p, nil
}

func (p *publishers) add(name string, e *ends, err error) error {
	e.name = name
	p.closers = append(p.closers, e.close)
	p.all = append(p.all, e)
	return err
}

func (b *bench) startStrobe(ctx context.Context, p *publishers, f form, s shape, name, binary string) (*deployment, error) {
	d, err := b.deploy(ctx, f, binary, "publish")
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, d.Close)
	e, err := strobeEnds(ctx, d.Process, s)
	e.pids, e.log = d.pids(), d
	return d, p.add(name, e, err)
}

// startPipeline starts a form of F3; the last of its processes is the one that clients connect to.
func (b *bench) startPipeline(ctx context.Context, name string) (list []*probeProcess, err error) {
	args := []string{"pipeline", "-serve", "-dir", b.path("pipeline")}
	switch name {
	case direct:
		args = append(args, "-direct")
	case separate:
		var bookies []string
		for range five.bookies {
			f, err := startProbe(ctx, "bookie", "-dir", b.path("pipeline"))
			if err != nil {
				return list, err
			}
			list = append(list, f)
			bookies = append(bookies, f.said)
		}
		args = append(args, "-bookies", strings.Join(bookies, ","), "-ack", "2")
	}
	f, err := startProbe(ctx, args...)
	if err == nil {
		list = append(list, f)
	}
	return list, err
}

// ours is the product's slice.
func (p *publishers) ours(slice func(context.Context, *ends) (sample, error)) func(context.Context) (sample, error) {
	return func(ctx context.Context) (sample, error) { return slice(ctx, p.all[0]) }
}

// contenders have a slice each.
func (p *publishers) contenders(slice func(context.Context, *ends) (sample, error)) []contender {
	var list []contender
	for _, e := range p.all {
		list = append(list, contender{e.name, func(ctx context.Context) (sample, error) { return slice(ctx, e) }})
	}
	return list
}

func (p *publishers) close() {
	for i := len(p.closers) - 1; i >= 0; i-- {
		p.closers[i]()
	}
}

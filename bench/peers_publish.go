package main

import (
	"context"
	"fmt"
	"time"

	"github.com/strobemq/strobe/bench/load"
	"github.com/strobemq/strobe/bench/report"
)

const (
	// idleAfter is when a fresh broker's memory is looked at.
	idleAfter = 12 * time.Second
	// warmUp is how long each is published to before anything is measured: code is compiled meanwhile.
	warmUp = 10 * time.Second
)

// measurePeer compares a form of Strobe with the same form of the peer.
func measurePeer(f form) func(context.Context, *bench) error {
	return func(ctx context.Context, b *bench) error { return b.peer(ctx, f) }
}

func (b *bench) peer(ctx context.Context, f form) error {
	if err := b.peerStarts(ctx, f); err != nil {
		return err
	}
	var sides []*side
	for _, name := range []string{strobe, peerName} {
		s, err := b.startSide(ctx, name, f)
		if err != nil {
			return err
		}
		defer s.close()
		if err := s.serves(ctx, "first"); err != nil {
			return err
		}
		b.keepSettings(s.settings)
		sides = append(sides, s)
	}
	if err := b.peerMemory(ctx, "idle", b.shorter(idleAfter), sides); err != nil {
		return err
	}
	if err := b.peerGenerator(ctx, sides); err != nil {
		return err
	}
	if err := b.peerStock(ctx, sides); err != nil {
		return fmt.Errorf("stock client: %w", err)
	}
	return b.peerMemory(ctx, "after all of this", settle, sides)
}

// versus compares a figure.
func (b *bench) versus(r *rounds, what string, unit report.Unit, goal report.Goal, figure string) {
	b.add(r.row(report.Row{What: what, Unit: unit, Of: peerName, Goal: goal}, strobe, peerName, figure))
}

// Ahead is to be not less, or not more, than the peer.
var (
	ahead = report.AtLeast(1)
	below = report.AtMost(1)
)

// peerStarts times how long a broker in an empty directory, and all it needs, takes to the first acknowledgement of a stock client.
func (b *bench) peerStarts(ctx context.Context, f form) error {
	starting := func(name string) contender {
		return contender{name, func(ctx context.Context) (sample, error) {
			begun := time.Now()
			s, err := b.startSide(ctx, name, f)
			if err != nil {
				return nil, err
			}
			defer s.close()
			if err := s.serves(ctx, "first"); err != nil {
				return nil, err
			}
			return sample{"start": time.Since(begun).Seconds()}, nil
		}}
	}
	r, err := b.alternateFew(ctx, starting(strobe), starting(peerName))
	if err == nil {
		b.versus(r, "start of everything to the first acknowledged publish, stock Go client", report.Seconds, below, "start")
	}
	return err
}

func (b *bench) peerMemory(ctx context.Context, when string, after time.Duration, sides []*side) error {
	if err := rest(ctx, after); err != nil {
		return err
	}
	row := report.Row{What: "resident memory of all processes, " + when, Unit: report.Megabytes, Of: peerName, Goal: below}
	for _, s := range sides {
		v, err := s.memory()
		if err != nil {
			return err
		}
		if s.name == strobe {
			row.Product = v
		} else {
			row.Floor = v
		}
	}
	b.add(row)
	return nil
}

// peerGenerator publishes with the generator of the other measurements, with a consumer at the tail.
func (b *bench) peerGenerator(ctx context.Context, sides []*side) error {
	for i, s := range []shape{batched, small, single} {
		if err := b.peerShape(ctx, sides, fmt.Sprintf("persistent://public/default/bench-%d", i), s); err != nil {
			return fmt.Errorf("%s: %w", s.Shape, err)
		}
	}
	return nil
}

func (b *bench) peerShape(ctx context.Context, sides []*side, topic string, s shape) error {
	var latency, most []contender
	for _, side := range sides {
		e, err := side.ends(ctx, topic, s)
		if err != nil {
			return err
		}
		defer e.close()
		if s.interval > 0 {
			if _, err := e.producer.Open(ctx, s.interval, b.shorter(warmUp)); err != nil {
				return err
			}
		} else if _, err := e.producer.Closed(ctx, s.window, b.shorter(warmUp/4)); err != nil {
			return err
		}
		if err := e.delivered(ctx); err != nil {
			return err
		}
		latency = append(latency, contender{side.name, func(ctx context.Context) (sample, error) { return b.latencySlice(ctx, e, s) }})
		most = append(most, contender{side.name, func(ctx context.Context) (sample, error) {
			var r load.Rate
			var err error
			if r, err = e.producer.Closed(ctx, s.window, b.shorter(2*sliceTime)); err == nil {
				err = e.delivered(ctx)
			}
			return sample{"rate": r.Messages}, err
		}})
	}
	if s.interval > 0 {
		r, err := b.alternate(ctx, latency...)
		if err != nil {
			return err
		}
		for _, m := range []struct{ what, figure string }{{"publish p50", "p50"}, {"publish p99", "p99"}, {"publish p99, median 250 ms window", "window"},
			{"end to end p50", "tail"}, {"end to end p99", "tail99"}} {
			b.versus(r, m.what+", 50 K x 1 KiB a second", report.Seconds, below, m.figure)
		}
		b.versus(r, "processor time, in cores, 50 K x 1 KiB a second", report.Plain, below, "cpu")
	}
	r, err := b.alternate(ctx, most...)
	if err == nil {
		b.versus(r, fmt.Sprintf("publish maximum, %s", s.Shape), report.PerSecond, ahead, "rate")
	}
	return err
}

// peerStock publishes with a stock Go client, and one at the tail.
func (b *bench) peerStock(ctx context.Context, sides []*side) error {
	for i, m := range []struct {
		what    string
		batches bool
		per     int // a millisecond; 0: as many as it can
	}{{"50 K x 1 KiB a second", true, 50}, {"maximum, 1 KiB batched", true, 0}, {"maximum, 1 KiB unbatched", false, 0}} {
		var list []contender
		for _, side := range sides {
			s, err := newStock(side.url, fmt.Sprintf("persistent://public/default/stock-%d", i), batched.Size, m.batches)
			if err != nil {
				return fmt.Errorf("%s: %w", side.name, err)
			}
			defer s.close()
			list = append(list, contender{side.name, func(ctx context.Context) (sample, error) { return s.publish(ctx, m.per, b.shorter(2*sliceTime)) }})
		}
		r, err := b.alternate(ctx, list...)
		if err != nil {
			return err
		}
		if m.per == 0 {
			b.versus(r, "stock Go client: publish "+m.what, report.PerSecond, ahead, "rate")
			continue
		}
		for _, of := range []struct{ what, figure string }{{"publish p50", "p50"}, {"publish p99", "p99"}, {"end to end p50", "tail"}, {"end to end p99", "tail99"}} {
			b.versus(r, "stock Go client: "+of.what+", "+m.what, report.Seconds, below, of.figure)
		}
	}
	return nil
}

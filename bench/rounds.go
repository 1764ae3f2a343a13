package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/strobemq/strobe/bench/machine"
	"github.com/strobemq/strobe/bench/report"
)

// sample is what one slice measured, by name.
type sample map[string]float64

// contender is one of those that are measured in turn.
type contender struct {
	name  string
	slice func(ctx context.Context) (sample, error)
}

// taken is one slice that was measured.
type taken struct {
	sample
	round int
	noisy bool
}

// rounds is what every contender did, in turn.
type rounds struct {
	of map[string][]taken
}

const (
	wantRounds = 4
	maxRounds  = 6
)

// alternate lets the contenders have a slice each, then again in the opposite order (A B B A), until each has had enough quiet slices, or the
// last round is over.
func (b *bench) alternate(ctx context.Context, contenders ...contender) (*rounds, error) {
	if b.quick {
		return b.alternateFew(ctx, contenders...)
	}
	return b.inTurn(ctx, wantRounds, maxRounds, contenders)
}

// alternateFew is alternate for what takes long and differs by much: twice, noisy or not.
func (b *bench) alternateFew(ctx context.Context, contenders ...contender) (*rounds, error) {
	return b.inTurn(ctx, 2, 2, contenders)
}

func (b *bench) inTurn(ctx context.Context, want, most int, contenders []contender) (*rounds, error) {
	r := &rounds{of: map[string][]taken{}}
	for round := 0; round < most && !r.enough(contenders, want); round++ {
		for i := range contenders {
			c := contenders[i]
			if round%2 == 1 {
				c = contenders[len(contenders)-1-i]
			}
			b.gate.Wait(ctx)
			stop := machine.Watch()
			s, err := c.slice(ctx)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			noise := stop()
			b.slices++
			if noise.Noisy() {
				b.noisy++
			}
			r.of[c.name] = append(r.of[c.name], taken{s, round, noise.Noisy()})
			fmt.Fprintf(os.Stderr, "  %-22s %s\n", c.name, describe(s, noise))
		}
	}
	return r, nil
}

func describe(s sample, n machine.Noise) string {
	out := ""
	for _, k := range sortedKeys(s) {
		out += fmt.Sprintf("%s=%.4g ", k, s[k])
	}
	if n.Known {
		out += fmt.Sprintf("[own %.0f%% foreign %.0f%% steal %.1f%%]", n.Own*100, n.Foreign*100, n.Steal*100)
	}
	return out
}

func (r *rounds) enough(contenders []contender, want int) bool {
	for _, c := range contenders {
		if len(r.quiet(c.name)) < want {
			return false
		}
	}
	return true
}

// quiet is the quiet slices of a contender.
func (r *rounds) quiet(name string) []taken {
	var out []taken
	for _, t := range r.of[name] {
		if !t.noisy {
			out = append(out, t)
		}
	}
	return out
}

// kept is the slices that count: the quiet ones, or all when there are fewer than two of those.
func (r *rounds) kept(name string) (list []taken, noisy bool) {
	if q := r.quiet(name); len(q) >= 2 || len(q) == len(r.of[name]) {
		return q, false
	}
	return r.of[name], true
}

// median is the middle of a contender's figures.
func (r *rounds) median(name, figure string) float64 {
	list, _ := r.kept(name)
	var out []float64
	for _, t := range list {
		out = append(out, t.sample[figure])
	}
	return report.Median(out)
}

// row compares one figure of the product with that of a floor: medians, and the spread of the ratio over the rounds in which both
// counted.
func (r *rounds) row(row report.Row, product, floor, figure string) report.Row {
	row.Product, row.Floor = r.median(product, figure), r.median(floor, figure)
	a, noisyA := r.kept(product)
	z, noisyZ := r.kept(floor)
	row.Noisy = noisyA || noisyZ
	for _, x := range a {
		for _, y := range z {
			if x.round != y.round || y.sample[figure] == 0 {
				continue
			}
			v := x.sample[figure] / y.sample[figure]
			if row.High == 0 {
				row.Low, row.High = v, v
			}
			row.Low, row.High = min(row.Low, v), max(row.High, v)
		}
	}
	return row
}

// sliceTime is how long one slice of a rate or a latency takes.
const sliceTime = 2500 * time.Millisecond

package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/strobemq/strobe/bench/load"
	"github.com/strobemq/strobe/bench/report"
	"github.com/strobemq/strobe/internal/product"
)

const (
	kills = 20
	// killAfter is when, in a slice that is as long again, the bookie is killed: its first half without the first quarter of all is the
	// comparison.
	killAfter = time.Second
	maxStall  = 250 * time.Millisecond
	// returnTime is how long a bookie may take until entries come to it again.
	returnTime = time.Minute
	// quickReturn shortens how long a bookie that comes back waits for its former registration to expire. A kill is noticed by the end of
	// the connection, long before.
	quickReturn = "metadata.sessionTimeoutMillis=3000"
)

// measureBookieKill publishes at a steady rate with a consumer at the tail, kills a bookie that is being written to, looks for the longest time
// that an entry took, starts the bookie again, and goes on to the next.
func measureBookieKill(ctx context.Context, b *bench) error {
	for _, bookies := range []int{3, 4} {
		if err := b.bookieKill(ctx, bookies); err != nil {
			return fmt.Errorf("%d bookies: %w", bookies, err)
		}
	}
	return nil
}

func (b *bench) bookieKill(ctx context.Context, bookies int) error {
	f := five
	f.bookies, f.set = bookies, []string{quickReturn}
	d, err := b.deploy(ctx, f, b.strobe, "kill")
	if err != nil {
		return err
	}
	defer d.Close()
	e, err := strobeEnds(ctx, d.Process, steady)
	defer e.close()
	if err != nil {
		return err
	}
	n := kills
	if b.quick {
		n /= 4
	}
	var stalls, without, p50s []float64
	for k := range n {
		b.gate.Wait(ctx)
		began := time.Now()
		victim, err := b.inUse(ctx, d, e, k)
		if err != nil {
			return err
		}
		waited := time.Since(began)
		s, err := b.killSlice(ctx, d.cluster.Bookies[victim], e)
		if err != nil {
			return fmt.Errorf("kill %d, of bookie %d: %w", k+1, victim, err)
		}
		fmt.Fprintf(os.Stderr, "  kill of bookie %-8d longest=%.4g without=%.4g p50=%.4g, in use again after %v\n", victim, s["stall"], s["without"], s["p50"], waited.Round(time.Millisecond))
		stalls, without, p50s = append(stalls, s["stall"]), append(without, s["without"]), append(p50s, s["p50"])
		if d.cluster.Bookies[victim], err = d.cluster.Bookies[victim].Again(ctx); err != nil {
			return err
		}
	}
	slices.Sort(stalls)
	b.add(report.Row{What: fmt.Sprintf("longest publish stall after kill -9 of one of %d bookies, p95 of %d, 10 K x 1 KiB a second", bookies, n), Unit: report.Seconds,
		Product: stalls[(len(stalls)*95+99)/100-1], Goal: report.AtMost(maxStall.Seconds()),
		Note: fmt.Sprintf("median %s, worst %s; longest in as long without a kill %s, p50 %s", report.Format(report.Median(stalls), report.Seconds),
			report.Format(stalls[len(stalls)-1], report.Seconds), report.Format(report.Median(without), report.Seconds), report.Format(report.Median(p50s), report.Seconds))})
	return nil
}

// killSlice publishes, kills the bookie in the middle, and returns when everything is acknowledged and delivered.
func (b *bench) killSlice(ctx context.Context, victim *product.Process, e *ends) (sample, error) {
	killed := make(chan struct{})
	timer := time.AfterFunc(killAfter, func() {
		victim.Kill()
		close(killed)
	})
	answers, arrived, err := e.producer.OpenTo(ctx, e.consumer, steady.interval, 2*killAfter)
	if err != nil {
		timer.Stop()
		return nil, err
	}
	<-killed
	s := sample{}
	for _, a := range answers {
		key := "without"
		if a.At+a.Took >= killAfter {
			key = "stall"
		}
		s[key] = max(s[key], a.Took.Seconds())
	}
	s["p50"] = load.Summarize(arrived).P50.Seconds()
	return s, nil
}

// inUse publishes until entries come to as many bookies as each entry has copies, and returns one of those, a different one for each k.
func (b *bench) inUse(ctx context.Context, d *deployment, e *ends, k int) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, returnTime)
	defer cancel()
	for {
		before, err := b.stored(ctx, d)
		if err != nil {
			return 0, err
		}
		if err := e.producer.Fill(ctx, 1, 100); err != nil {
			return 0, err
		}
		if err := e.delivered(ctx); err != nil {
			return 0, err
		}
		after, err := b.stored(ctx, d)
		if err != nil {
			return 0, err
		}
		var used []int
		for i := range after {
			if after[i] >= before[i]+50 {
				used = append(used, i)
			}
		}
		if len(used) >= five.bookies {
			return used[k%len(used)], nil
		}
		if err := rest(ctx, 50*time.Millisecond); err != nil {
			return 0, fmt.Errorf("entries come to %d bookies only: %w", len(used), err)
		}
	}
}

// stored is how many entries each bookie has made durable.
func (b *bench) stored(ctx context.Context, d *deployment) ([]float64, error) {
	var list []float64
	for _, p := range d.cluster.Bookies {
		v, err := p.Metric(ctx, fmt.Sprintf("strobe_bookie_entries_total{bookie=%q}", p.ID))
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

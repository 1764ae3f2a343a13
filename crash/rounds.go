package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// wantAcks is how many receipts must come between the kills of two rounds, from the cluster and from the standalone.
var wantAcks = [2]int64{1000, 200}

// run goes all rounds and then judges what is left.
func (w *world) run() error {
	for w.round = 1; w.round <= w.o.rounds; w.round++ {
		if err := w.oneRound(); err != nil {
			if w.ctx.Err() != nil {
				return w.ctx.Err()
			}
			w.verdict.wrongf("%v", err)
		}
		if len(w.verdict.all()) > 0 {
			return nil
		}
		if w.round%w.o.every == 0 && w.round < w.o.rounds {
			if err := w.turn(w.round / w.o.every); err != nil {
				return err
			}
		}
	}
	w.round = w.o.rounds
	w.retire(w.streams)
	w.judging.Wait()
	w.judgeRows()
	return w.ctx.Err()
}

// turn begins the next generation of topics, and judges the one before while rounds go on.
func (w *world) turn(generation int) error {
	w.judging.Wait()
	old := w.streams
	if err := w.nextStreams(generation); err != nil {
		if w.ctx.Err() != nil {
			return w.ctx.Err()
		}
		w.verdict.wrongf("%v", err)
		return nil
	}
	w.retire(old)
	return nil
}

// oneRound lets everything run until the acknowledgements are there, and then kills a process of each kind, one after the other or several at once.
func (w *world) oneRound() error {
	began := time.Now()
	var rows [4]int64
	for i, f := range w.flows {
		rows[i] = f.live.came.Load()
	}
	acks, err := w.progress()
	if err != nil {
		return err
	}
	waited := time.Since(began)
	w.mu.Lock()
	w.done = nil
	w.mu.Unlock()
	r := rand.New(rand.NewPCG(w.o.seed, uint64(w.round)))
	strikes := map[string]func(*rand.Rand) error{bookie: w.killBookie, broker: w.killBroker, host: w.killHost, etcd: w.killEtcd, standalone: w.killStandalone, postgres: w.killPostgres}
	kinds := slices.Clone(w.o.kinds)
	r.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	gap := time.Duration(0) // between two kills
	if r.IntN(2) == 0 {
		gap = time.Duration(r.IntN(400)) * time.Millisecond
	}
	errs := make([]error, len(kinds))
	var wg sync.WaitGroup
	for i, kind := range kinds {
		own := rand.New(rand.NewPCG(w.o.seed, uint64(w.round)<<8|uint64(i+1)))
		wg.Go(func() {
			if err := strikes[kind](own); err != nil {
				errs[i] = fmt.Errorf("kill of %s: %w", kind, err)
			}
		})
		sleep(w.ctx, gap)
	}
	wg.Wait()
	w.mu.Lock()
	text := strings.Join(w.done, ", ")
	w.mu.Unlock()
	for i, f := range w.flows {
		rows[i] = f.live.came.Load() - rows[i]
	}
	w.say("round %d: %d acknowledgements in %.1f s, rows %v, then killed %s; %.1f s", w.round, acks, waited.Seconds(), rows, text, time.Since(began).Seconds())
	return errors.Join(append(errs, w.ended())...)
}

// progress waits until enough receipts have come since the last kills.
func (w *world) progress() (int64, error) {
	var from [2]int64
	for i := range from {
		from[i] = w.acks[i].Load()
	}
	deadline := time.Now().Add(silence)
	for w.ctx.Err() == nil {
		missing := ""
		var got [2]int64
		for i, name := range []string{"the cluster", "the standalone"} {
			got[i] = w.acks[i].Load() - from[i]
			if got[i] < wantAcks[i] {
				missing = fmt.Sprintf("%s acknowledged %d messages", name, got[i])
			}
		}
		if missing == "" {
			return got[0] + got[1], nil
		}
		if time.Now().After(deadline) {
			return 0, fmt.Errorf("%s in %v while nothing was killed", missing, silence)
		}
		sleep(w.ctx, 20*time.Millisecond)
	}
	return 0, w.ctx.Err()
}

// ended says which processes have ended by themselves.
func (w *world) ended() error {
	var errs []error
	for _, m := range append(append([]*member{w.alone}, w.bookies...), w.brokers...) {
		select {
		case <-m.p.Load().Exited():
			errs = append(errs, fmt.Errorf("%s has ended by itself: %v", m.name, m.p.Load().State()))
		default:
		}
	}
	return errors.Join(errs...)
}

// table is the result as it stands in the documentation.
func (w *world) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d rounds in %.0f min: %d messages acknowledged, each consumed (%d deliveries came again), %d of them also read back from the start of their topic; none lost, none out of order, none twice where deduplication is on (%d where it is off). %d rows were committed into Postgres; each came once and in order through a source, and through a function behind it, in both forms. Seed %d.\n\n",
		w.o.rounds, time.Since(w.began).Minutes(), w.acks[0].Load()+w.acks[1].Load(), w.results.redelivered, w.read.Load(), w.results.doubled, w.results.rows, w.o.seed)
	return b.String() + w.counts.table()
}

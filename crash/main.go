// Command crash kills real processes of Strobe with SIGKILL, round after round, while clients publish and consume, functions run and rows come out
// of Postgres, and judges by the clients' own receipts: nothing acknowledged is lost, order holds, nothing is doubled where deduplication is on.
// `make crash` calls it.
//
// Two forms run side by side: a cluster (etcd, bookies, brokers, the child that holds functions and sources) and one standalone. Their segments
// and ledgers are so small that kills fall into the moments that matter; which ones they fell into is read from the processes' logs.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

type options struct {
	strobe string
	dir    string
	out    string
	rounds int
	every  int
	seed   uint64
	kinds  []string
}

func main() { os.Exit(command()) }

// command is main with an exit code: 1 when something is wrong with the product, 2 when the run could not be made.
func command() int {
	var o options
	var kinds string
	flag.StringVar(&o.strobe, "strobe", "bin/strobe", "the binary under test")
	flag.StringVar(&o.dir, "dir", ".cache/crash", "directory for data and logs; it is emptied first, and removed when all is well")
	flag.StringVar(&o.out, "out", "", "file whose table is written anew; empty: none")
	flag.IntVar(&o.rounds, "rounds", 200, "rounds; in each, a process of each kind is killed")
	flag.IntVar(&o.every, "every", 10, "rounds after which topics are read back and deleted, and others are begun")
	flag.Uint64Var(&o.seed, "seed", 0, "of what is killed when; 0: a random one")
	flag.StringVar(&kinds, "kinds", "", "only these kinds of processes are killed, with commas: "+strings.Join(kindNames, ","))
	measure := flag.Bool("faults", false, "instead of rounds: one fault after another under a steady load, measured")
	away := flag.Duration("away", time.Minute, "with -faults: how long etcd is away")
	only := flag.String("only", "", "with -faults: only those whose name contains one of these, with commas")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if kinds != "" {
		o.kinds = strings.Split(kinds, ",")
	}
	run := func() (bool, error) { return crash(ctx, o) }
	if *measure {
		run = func() (bool, error) { return faultTable(ctx, o, *away, *only) }
	}
	ok, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		return 2
	}
	if !ok {
		return 1
	}
	return 0
}

// prepare makes paths absolute and empties the directory.
func (o *options) prepare() (err error) {
	if o.strobe, err = filepath.Abs(o.strobe); err != nil {
		return err
	}
	if o.dir, err = filepath.Abs(o.dir); err != nil {
		return err
	}
	return os.RemoveAll(o.dir)
}

// crash is one run; false: something was lost, doubled or out of order.
func crash(ctx context.Context, o options) (ok bool, err error) {
	if o.seed == 0 {
		o.seed = rand.Uint64()
	}
	if len(o.kinds) == 0 {
		o.kinds = kindNames
	}
	for _, k := range o.kinds {
		if !slices.Contains(kindNames, k) {
			return false, fmt.Errorf("there is no kind %s; want some of %s", k, strings.Join(kindNames, ", "))
		}
	}
	if err := o.prepare(); err != nil {
		return false, err
	}
	w := &world{o: o, began: time.Now(), counts: newCounts()}
	w.say("seed %d, %d rounds", o.seed, o.rounds)
	w.ctx, w.end = context.WithCancel(ctx)
	defer w.close()
	if err := w.start(); err != nil {
		return false, err
	}
	if err := w.run(); err != nil {
		return false, err
	}
	if wrong := w.verdict.all(); len(wrong) > 0 {
		fmt.Printf("\nseed %d, round %d: %d things are wrong; data and logs are in %s\n", o.seed, w.round, len(wrong), o.dir)
		for _, s := range wrong {
			fmt.Println(" ", s)
		}
		return false, nil
	}
	text := w.table()
	fmt.Print("\n" + text)
	w.close()
	if o.out != "" {
		if err := replaceTable(o.out, "crash", text); err != nil {
			return false, err
		}
	}
	return true, os.RemoveAll(o.dir)
}

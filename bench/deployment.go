package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/strobemq/strobe/bench/machine"
	"github.com/strobemq/strobe/internal/product"
)

// form is how the product is deployed.
type form struct {
	title   string // of its part of the report
	about   string // what runs, in a sentence
	bookies int    // 0: one process does everything
	// floors are the forms of F3 that stand beside it, that of the goals first.
	floors []string
	set    []string // configuration besides that of the run
	// catchUp is how fast a backlog is to be read, as a part of F8.
	catchUp float64
}

var (
	alone = form{title: "One process", catchUp: 0.5, about: "`strobe standalone`: one bookie in the broker's process.", floors: []string{direct, tcp}}
	five  = form{title: "Five processes", bookies: 3, floors: []string{separate}, catchUp: 0.35,
		about: "The generator, a broker, three bookies; three copies of each entry, acknowledged when two are on disk (3/3/2). Metadata is in an etcd of one member beside them, whose processor time and memory are not in the product's."}
)

// quorum is how the five processes store.
var quorum = []string{"broker.managedLedgerDefaultEnsembleSize=3", "broker.managedLedgerDefaultWriteQuorum=3", "broker.managedLedgerDefaultAckQuorum=2"}

// deployment is a running product: one process, or a broker and bookies with etcd beside.
type deployment struct {
	*product.Process                    // the one that clients connect to
	all              []*product.Process // the broker first
	cluster          *product.Cluster   // nil: one process
	profiles         map[string]product.Profiles
}

// deploy starts the product; name tells its directory from others.
func (b *bench) deploy(ctx context.Context, f form, binary, name string) (*deployment, error) {
	d := &deployment{profiles: map[string]product.Profiles{}}
	if f.bookies == 0 {
		o, profiles, err := product.Options{Binary: binary, Dir: b.path(name), Set: b.set}.Profiled()
		if err != nil {
			return nil, err
		}
		d.profiles[""] = profiles
		if d.Process, err = product.Start(ctx, o); err != nil {
			return nil, err
		}
		d.all = []*product.Process{d.Process}
		return d, nil
	}
	var failed error
	each := func(name string, o *product.Options) {
		with, profiles, err := o.Profiled()
		failed = firstOf(failed, err)
		*o = with
		d.profiles[name] = profiles
	}
	var err error
	set := slices.Concat(quorum, f.set, b.set)
	d.cluster, err = product.StartCluster(ctx, product.ClusterOptions{Binary: binary, Dir: b.path(name), Bookies: f.bookies, Set: set, Each: each, Progress: os.Stderr})
	if err = firstOf(err, failed); err != nil {
		if d.cluster != nil {
			d.cluster.Kill()
		}
		return nil, err
	}
	d.Process = d.cluster.Brokers[0]
	d.all = append(d.all, d.cluster.Brokers...)
	d.all = append(d.all, d.cluster.Bookies...)
	return d, nil
}

// pids are the processes of the product; those of etcd are not among them.
func (d *deployment) pids() []int {
	var list []int
	for _, p := range d.all {
		list = append(list, p.PID)
	}
	return list
}

// bookies are the processes that store.
func (d *deployment) bookies() []*product.Process {
	if d.cluster == nil {
		return d.all
	}
	return d.cluster.Bookies
}

// sum is a metric of all processes together.
func (d *deployment) sum(ctx context.Context, metric string) (float64, error) {
	var sum float64
	for _, p := range d.all {
		v, err := p.Metric(ctx, metric)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", filepath.Base(p.Dir()), err)
		}
		sum += v
	}
	return sum, nil
}

// Close ends all of it: in order, or by force where what was stored is of no use any more.
func (d *deployment) Close() {
	if d.cluster != nil {
		d.cluster.Kill()
		return
	}
	d.Process.Close()
}

// cpu is the processor time that processes, with their descendants, have used.
func cpu(pids []int) time.Duration {
	var sum time.Duration
	for _, pid := range pids {
		sum += machine.CPU(pid)
	}
	return sum
}

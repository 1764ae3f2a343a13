// Command bench measures strobe beside floor probes in one run, slice by slice in turn, and prints ratios: a figure alone says more
// about the machine than about the product. README.md says how to read the table; `make bench` calls it.
//
//	bench -strobe bin/strobe -out docs/benchmarks.md      everything
//	bench -strobe bin/strobe -only publish-max            one measurement
//	bench probe pipeline -direct                          a floor probe alone
//	bench peers -peers DIR -out docs/benchmarks-peers.md  beside Apache Pulsar and Debezium
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/strobemq/strobe/bench/machine"
	"github.com/strobemq/strobe/bench/peers"
	"github.com/strobemq/strobe/bench/report"
	"github.com/strobemq/strobe/internal/product"
)

// measurements are done in this order.
var measurements = []measurement{
	{"start", "start to the first acknowledged publish by a stock client", alone, measureStart},
	{"idle", "memory and processor time of a server that does nothing", alone, measureIdle},
	{"publish-latency", "publish latency at 50 K x 1 KiB a second", alone, measurePublishLatency(alone)},
	{"publish-max", "publish maximum in batches of 50 x 1 KiB; allocations", alone, measurePublishMax(alone, batched)},
	{"publish-small", "publish maximum in batches of 1000 x 100 B; allocations", alone, measurePublishMax(alone, small)},
	{"publish-single", "publish maximum without batches, 1 KiB; allocations", alone, measurePublishMax(alone, single)},
	{"catch-up", "reading a backlog of 4 GiB while the topic is written to", alone, measureCatchUp(alone)},
	{"catch-up-many", "reading a backlog of a thousand topics", alone, measureCatchUpMany},
	{"wasm", "calls of a guest", alone, measureWasm},
	{"function", "an identity function between two topics", alone, measureFunction},
	{"neighbour", "publish latency beside functions that loop", alone, measureNeighbour},
	{"cdc-rate", "rows of a Postgres outbox a second", alone, measureCDCRate},
	{"cdc-latency", "from the insertion of a row to the consumer", alone, measureCDCLatency},
	{"write-amplification", "bytes written to the disk for a byte published", alone, measureWriteAmplification(alone)},
	{"cluster-idle", "memory and processor time of a cluster that does nothing, and of its etcd", five, measureClusterIdle},
	{"cluster-latency", "publish latency at 50 K x 1 KiB a second", five, measurePublishLatency(five)},
	{"cluster-max", "publish maximum in batches of 50 x 1 KiB; allocations", five, measurePublishMax(five, batched)},
	{"cluster-small", "publish maximum in batches of 1000 x 100 B; allocations", five, measurePublishMax(five, small)},
	{"cluster-single", "publish maximum without batches, 1 KiB, beside NATS; allocations", five, measurePublishMax(five, single)},
	{"cluster-catch-up", "reading a backlog of 4 GiB while the topic is written to", five, measureCatchUp(five)},
	{"cluster-kill", "publish latency when a bookie is killed, of three and of four", five, measureBookieKill},
	{"cluster-amplification", "bytes written to the disks for a byte published", five, measureWriteAmplification(five)},
}

type measurement struct {
	name string
	what string
	form form
	run  func(context.Context, *bench) error
}

// part is the rows about one form of the product.
type part struct {
	form form
	rows []report.Row
}

// bench is one run.
type bench struct {
	strobe  string
	against string // another strobe binary, a contender in the publish measurements; empty: none
	dir     string // for everything on disk
	quick   bool
	set     []string // configuration of the servers, key=value
	gate    machine.Gate
	parts   []part
	slices  int // measured
	noisy   int // of those

	publishP50 float64 // of the product, in seconds; 0: not measured
	profiles   []profiled
	always     bool // profile what meets its goal too
	amplify    int  // GiB to publish for the write amplification

	scripts  peers.Scripts // of peers
	settings []peers.Setting
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == "probe" {
		return probe(ctx, args[1:])
	}
	if len(args) > 0 && args[0] == "peers" {
		return peersMain(ctx, args[1:])
	}
	b := &bench{}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	b.flags(f)
	f.StringVar(&b.against, "against", "", "another strobe binary that takes part in the publish measurements, to compare a change")
	f.BoolVar(&b.always, "profile", false, "profile everything, not only what misses its goal")
	f.IntVar(&b.amplify, "amplify", 4, "GiB to publish for the write amplification, after as much that is not measured")
	out := f.String("out", "", "write the report here too")
	only := f.String("only", "", "only these measurements, with commas: "+names(measurements))
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	chosen, err := choose(measurements, *only)
	if err != nil {
		return err
	}
	return b.report(ctx, chosen, *out, ownRoom, b.markdown)
}

// flags are those of every kind of run.
func (b *bench) flags(f *flag.FlagSet) {
	f.StringVar(&b.strobe, "strobe", "bin/strobe", "the strobe binary")
	f.StringVar(&b.dir, "dir", ".cache/bench", "directory for data; it must lie on the disk that is to be measured")
	f.BoolVar(&b.quick, "quick", false, "a quarter of the time, for trying things out")
	f.DurationVar(&b.gate.Left, "wait", time.Minute, "how long to wait in all for others on this machine to be quiet")
	f.Func("set", "configuration of the servers that are measured, key=value; may be repeated", func(s string) error {
		b.set = append(b.set, s)
		return nil
	})
}

// report does measurements and prints text, into the file out too unless that is empty.
func (b *bench) report(ctx context.Context, chosen []measurement, out string, room int64, text func(took time.Duration) string) (err error) {
	if err := b.open(room); err != nil {
		return err
	}
	defer func() {
		if err != nil && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "data and logs are in", b.dir)
			return
		}
		os.RemoveAll(b.dir)
	}()
	began := time.Now()
	for _, m := range chosen {
		at := time.Now()
		if len(b.parts) == 0 || b.parts[len(b.parts)-1].form.title != m.form.title {
			b.parts = append(b.parts, part{form: m.form})
		}
		from := len(b.rows())
		fmt.Fprintf(os.Stderr, "%s: %s\n", m.name, m.what)
		if err := m.run(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		if err := b.clear(); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%s(%s: %v)\n\n", report.Table(b.rows()[from:]), m.name, time.Since(at).Round(time.Second))
	}
	all := text(time.Since(began))
	fmt.Print(all)
	if out != "" {
		return os.WriteFile(out, []byte(all), 0o644)
	}
	return nil
}

// clear removes what a measurement stored, which together would fill a disk, and waits for the disk: what it still had to do was in the first
// seconds of the next measurement (bookies that took 0.3 s for a sync, 10 ms a few seconds later).
func (b *bench) clear() error {
	list, err := os.ReadDir(b.dir)
	for _, e := range list {
		if e.IsDir() {
			err = firstOf(err, os.RemoveAll(filepath.Join(b.dir, e.Name())))
		}
	}
	return firstOf(err, quietDisk(b.dir))
}

// What the largest measurement stores. A disk that fills up makes bookies read-only, ours and others'.
const (
	ownRoom  = 32 << 30
	peerRoom = 64 << 30 // the peer is not measured with less retention than it has by default
)

// open makes the run's own directory, on a disk with that much room (a quarter of it in a quick run).
func (b *bench) open(room int64) (err error) {
	if b.strobe, err = filepath.Abs(b.strobe); err != nil {
		return err
	}
	if _, err := os.Stat(b.strobe); err != nil {
		return fmt.Errorf("%w; build it with `make build`", err)
	}
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return err
	}
	if b.dir, err = filepath.Abs(b.dir); err != nil {
		return err
	}
	if b.quick {
		room /= 4
	}
	if free, err := machine.Free(b.dir); err == nil && free < room {
		return fmt.Errorf("%s has %d GiB left and this needs %d; -dir names another disk", b.dir, free>>30, room>>30)
	}
	b.dir, err = os.MkdirTemp(b.dir, "run-")
	return err
}

func names(list []measurement) string {
	var out []string
	for _, m := range list {
		out = append(out, m.name)
	}
	return strings.Join(out, ",")
}

func choose(list []measurement, only string) ([]measurement, error) {
	if only == "" {
		return list, nil
	}
	want := strings.Split(only, ",")
	var out []measurement
	for _, m := range list {
		if i := slices.Index(want, m.name); i >= 0 {
			out = append(out, m)
			want = slices.Delete(want, i, i+1)
		}
	}
	if len(want) > 0 {
		return nil, fmt.Errorf("no measurement %q; there are %s", want[0], names(list))
	}
	return out, nil
}

// path is a fresh path in the run's directory.
func (b *bench) path(name string) string {
	for i := 0; ; i++ {
		p := filepath.Join(b.dir, fmt.Sprintf("%s-%d", name, i))
		if _, err := os.Lstat(p); errors.Is(err, os.ErrNotExist) {
			return p
		}
	}
}

// shorter is d, or a quarter of it in a quick run.
func (b *bench) shorter(d time.Duration) time.Duration {
	if b.quick {
		return d / 4
	}
	return d
}

// server is how a server is started; name tells its directory from others.
func (b *bench) server(name string, env ...string) (product.Options, product.Profiles, error) {
	return product.Options{Binary: b.strobe, Dir: b.path(name), Set: b.set, Env: env}.Profiled()
}

// start starts a server.
func (b *bench) start(ctx context.Context, name string) (*product.Process, error) {
	return product.Start(ctx, product.Options{Binary: b.strobe, Dir: b.path(name), Set: b.set})
}

// rows are those of the part that is measured.
func (b *bench) rows() []report.Row { return b.parts[len(b.parts)-1].rows }

func (b *bench) add(r report.Row) {
	p := &b.parts[len(b.parts)-1]
	p.rows = append(p.rows, r)
}

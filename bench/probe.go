package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/strobemq/strobe/bench/floor"
	"github.com/strobemq/strobe/bench/floor/pipeline"
	"github.com/strobemq/strobe/bench/load"
)

// probes are the floors; each can run alone.
var probes = map[string]func(context.Context, []string) error{
	"pipeline": probePipeline,
	"bookie":   probeBookie,
	"pages":    probePages,
	"guest":    probeGuest,
	"wal":      probeWAL,
	"forward":  probeForward,
}

func probe(ctx context.Context, args []string) error {
	if len(args) == 0 || probes[args[0]] == nil {
		return fmt.Errorf("bench probe NAME; names are %s", strings.Join(slices.Sorted(maps.Keys(probes)), ", "))
	}
	return probes[args[0]](ctx, args[1:])
}

// probePipeline runs F3. With -serve it only serves, until its standard input ends: that is how a measurement runs it in a process
// of its own.
func probePipeline(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("pipeline", flag.ContinueOnError)
	var o pipeline.Options
	f.BoolVar(&o.Direct, "direct", false, "the journal in the broker's process, without a TCP connection between them")
	f.Func("bookies", "addresses of bookies that run already (bench probe bookie), with commas", func(s string) error {
		o.Bookies = strings.Split(s, ",")
		return nil
	})
	f.IntVar(&o.AckQuorum, "ack", 2, "with -bookies: how many of them must have an entry")
	dir := f.String("dir", ".cache/bench", "directory of the journal")
	serve := f.Bool("serve", false, "print the address and serve")
	d := f.Duration("for", 3*time.Second, "how long each figure is measured")
	if err := f.Parse(args); err != nil {
		return err
	}
	if o.AckQuorum < 1 || len(o.Bookies) > 0 && o.AckQuorum > len(o.Bookies) {
		return fmt.Errorf("an ack quorum of %d of %d bookies", o.AckQuorum, len(o.Bookies))
	}
	if err := os.MkdirAll(*dir, 0o755); err != nil {
		return err
	}
	o.File = filepath.Join(*dir, "journal")
	p, err := pipeline.Start(o)
	if err != nil {
		return err
	}
	defer p.Close()
	if *serve {
		fmt.Println(p.Addr)
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	}
	for _, s := range []shape{batched, small, single} {
		e, err := pipelineEnds(ctx, p.Addr, s.Shape)
		if err == nil {
			err = printEnds(ctx, e, s, *d)
		}
		e.close()
		if err != nil {
			return err
		}
	}
	return nil
}

// probeBookie serves a bookie of F3 until its standard input ends.
func probeBookie(_ context.Context, args []string) error {
	f := flag.NewFlagSet("bookie", flag.ContinueOnError)
	dir := f.String("dir", ".cache/bench", "directory of the journal")
	if err := f.Parse(args); err != nil {
		return err
	}
	if err := os.MkdirAll(*dir, 0o755); err != nil {
		return err
	}
	b, err := pipeline.StartBookie(filepath.Join(*dir, "journal"))
	if err != nil {
		return err
	}
	defer b.Close()
	fmt.Println(b.Addr)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// printEnds measures and prints one shape.
func printEnds(ctx context.Context, e *ends, s shape, d time.Duration) error {
	if s.interval > 0 {
		answers, err := e.producer.Open(ctx, s.interval, d)
		if err != nil {
			return err
		}
		l := load.Summarize(answers)
		fmt.Printf("%-22s each %v: p50 %v p99 %v p99.9 %v, 250 ms windows: p99 median %v best %v\n", s.Shape, s.interval, l.P50, l.P99, l.P999, l.WindowMedian, l.WindowBest)
	}
	r, err := e.producer.Closed(ctx, s.window, d)
	if err == nil {
		fmt.Printf("%-22s at most: %.0f messages/s\n", s.Shape, r.Messages)
	}
	return err
}

// probePages runs F8.
func probePages(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("pages", flag.ContinueOnError)
	dir := f.String("dir", ".cache/bench", "directory of the file")
	if err := f.Parse(args); err != nil {
		return err
	}
	if err := os.MkdirAll(*dir, 0o755); err != nil {
		return err
	}
	for _, s := range []load.Shape{batched.Shape, single.Shape} {
		entries := pagesBacklog / s.Bytes()
		p, err := floor.StartPages(filepath.Join(*dir, "pages"), s, entries)
		if err != nil {
			return err
		}
		for range 3 {
			got, begun, err := p.Drain(ctx, s, entries)
			if err != nil {
				p.Close()
				return err
			}
			rate := rateOf(got, got.Last.Sub(begun))
			fmt.Printf("%-22s %.0f MB/s, %.0f entries/s\n", s, rate["bytes"]/1e6, rate["entries"])
		}
		p.Close()
	}
	return nil
}

// probeGuest runs F6.
func probeGuest(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("guest", flag.ContinueOnError)
	if err := f.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{dir: dir}
	module, err := b.buildRaw(ctx)
	if err != nil {
		return err
	}
	g, err := floor.NewRawGuest(ctx, module)
	if err != nil {
		return err
	}
	defer g.Close()
	for _, size := range []int{100, 1024} {
		s, err := b.callRaw(ctx, g, size).slice(ctx)
		if err != nil {
			return err
		}
		fmt.Printf("%d x %d B a call: %.1f ns a message\n", wasmRecords, size, s["ns"])
	}
	return nil
}

// probeWAL runs F7 on a slot of the caller's.
func probeWAL(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("wal", flag.ContinueOnError)
	var w floor.WAL
	f.StringVar(&w.DSN, "dsn", "", "of the database")
	f.StringVar(&w.Slot, "slot", "", "a replication slot of pgoutput; it is not moved")
	f.StringVar(&w.Publication, "publication", "", "with the table in it")
	rows := f.Int("rows", 100_000, "inserts to read")
	naps := f.Bool("raw", false, "read the bytes themselves, with naps, instead of using pglogrepl")
	if err := f.Parse(args); err != nil {
		return err
	}
	read := func() (floor.Rows, error) { return w.Library(ctx, *rows, nil) }
	if *naps {
		read = func() (floor.Rows, error) { return w.Raw(ctx, *rows) }
	}
	got, err := read()
	if err != nil {
		return err
	}
	fmt.Printf("%d rows, %.0f rows/s after the first\n", got.Count, got.Rate())
	return nil
}

// probeForward forwards until its standard input ends.
func probeForward(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("forward", flag.ContinueOnError)
	url := f.String("url", "pulsar://127.0.0.1:6650", "the broker")
	from := f.String("from", "in", "topic to read")
	to := f.String("to", "out", "topic to write to")
	if err := f.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with the process
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return load.Forward(ctx, *url, *from, *to, func() { fmt.Println("ready") })
}

// probeProcess is a probe in a process of its own, which ends when its standard input does.
type probeProcess struct {
	said string // its first line
	cmd  *exec.Cmd
	in   io.Closer
}

// startProbe starts one and waits for its first line.
func startProbe(ctx context.Context, args ...string) (*probeProcess, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &probeProcess{cmd: exec.CommandContext(ctx, program, append([]string{"probe"}, args...)...)}
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	if p.said, err = bufio.NewReader(out).ReadString('\n'); err != nil {
		p.close()
		return nil, fmt.Errorf("the probe %s did not start: %w", args[0], err)
	}
	p.said = strings.TrimSpace(p.said)
	return p, nil
}

func (p *probeProcess) close() {
	p.in.Close()
	_ = p.cmd.Wait() // it was told to end
}

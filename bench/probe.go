package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/strobemq/strobe/bench/floor/pipeline"
	"github.com/strobemq/strobe/bench/load"
)

// probes are the floors that can run alone.
var probes = map[string]func(context.Context, []string) error{
	"pipeline": probePipeline,
	"forward":  probeForward,
}

func probe(ctx context.Context, args []string) error {
	if len(args) == 0 || probes[args[0]] == nil {
		return errors.New("bench probe NAME; names are pipeline, forward")
	}
	return probes[args[0]](ctx, args[1:])
}

// probePipeline runs F3. With -serve it only serves, until its standard input ends: that is how a measurement runs it in a process
// of its own.
func probePipeline(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("pipeline", flag.ContinueOnError)
	direct := f.Bool("direct", false, "the journal in the broker's process, without a TCP connection between them")
	dir := f.String("dir", ".cache/bench", "directory of the journal")
	serve := f.Bool("serve", false, "print the address and serve")
	d := f.Duration("for", 3*time.Second, "how long each figure is measured")
	if err := f.Parse(args); err != nil {
		return err
	}
	if err := os.MkdirAll(*dir, 0o755); err != nil {
		return err
	}
	p, err := pipeline.Start(pipeline.Options{File: filepath.Join(*dir, "journal"), Direct: *direct})
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
		c, err := pipelineEnds(ctx, "", p.Addr, s.Shape)
		if err != nil {
			return err
		}
		if s.interval > 0 {
			answers, err := c.producer.Open(ctx, s.interval, *d)
			if err != nil {
				return err
			}
			l := load.Summarize(answers)
			fmt.Printf("%-22s each %v: p50 %v p99 %v p99.9 %v, 250 ms windows: p99 median %v best %v\n", s.Shape, s.interval, l.P50, l.P99, l.P999, l.WindowMedian, l.WindowBest)
		}
		r, err := c.producer.Closed(ctx, s.window, *d)
		if err != nil {
			return err
		}
		fmt.Printf("%-22s at most: %.0f messages/s\n", s.Shape, r.Messages)
		c.close()
	}
	return nil
}

// pipelineProcess is F3 in a process of its own.
type pipelineProcess struct {
	addr string
	cmd  *exec.Cmd
	in   io.Closer
}

func (b *bench) startPipeline(ctx context.Context, direct bool) (*pipelineProcess, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{"probe", "pipeline", "-serve", "-dir", b.path("pipeline")}
	if direct {
		args = append(args, "-direct")
	}
	p := &pipelineProcess{cmd: exec.CommandContext(ctx, program, args...)}
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
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		p.close()
		return nil, fmt.Errorf("the pipeline did not start: %w", err)
	}
	p.addr = strings.TrimSpace(line)
	return p, nil
}

func (p *pipelineProcess) close() {
	p.in.Close()
	_ = p.cmd.Wait() // it was told to end
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

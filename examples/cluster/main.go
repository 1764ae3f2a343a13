// Command cluster is what `make cluster` runs: one etcd, three bookies and one broker, each a process of its own, from one
// configuration file. It says what to try, and stops them in order when it is told to.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/strobemq/strobe/storage/meta/etcd/etcdtest"
)

func main() {
	var c cluster
	flag.StringVar(&c.strobe, "strobe", "bin/strobe", "the strobe binary")
	flag.StringVar(&c.config, "config", "examples/cluster/strobe.yaml", "configuration of all processes")
	flag.StringVar(&c.dir, "dir", "", "directory for all data; empty: a temporary one, removed at the end")
	flag.StringVar(&c.listen, "listen", "127.0.0.1:6650", "address of the broker for clients")
	flag.StringVar(&c.http, "http", "127.0.0.1:8080", "address of the broker for REST")
	flag.IntVar(&c.bookies, "bookies", 3, "how many bookies")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := c.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

// cluster is one run.
type cluster struct {
	strobe, config, dir, listen, http string
	bookies                           int

	etcd    *etcdtest.Cluster
	running []*process // in the order of their start
}

func (c *cluster) run(ctx context.Context) (err error) {
	if c.strobe, err = filepath.Abs(c.strobe); err != nil {
		return err
	}
	if c.dir == "" {
		if c.dir, err = os.MkdirTemp("", "strobe-cluster-"); err != nil {
			return err
		}
		defer os.RemoveAll(c.dir)
	}
	defer c.stop()
	fmt.Println("etcd (the first time it is fetched and built)")
	if c.etcd, err = etcdtest.Start(etcdtest.Options{Dir: filepath.Join(c.dir, "etcd"), Members: 1, Progress: os.Stderr}); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, c.strobe, "cluster", "init", "--config", c.config, "--metadata", c.etcd.URL()).CombinedOutput(); err != nil {
		return fmt.Errorf("strobe cluster init: %w\n%s", err, out)
	}
	for i := range c.bookies {
		name := "bookie-" + strconv.Itoa(i)
		if err := c.start(ctx, name, "bookie", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"); err != nil {
			return err
		}
	}
	if err := c.start(ctx, "broker-0", "broker", "--listen", c.listen, "--http", c.http); err != nil {
		return err
	}
	c.explain()
	ended := make(chan *process, len(c.running))
	for _, p := range c.running {
		go func() { <-p.done; ended <- p }()
	}
	for {
		select {
		case <-ctx.Done():
			fmt.Println("stopping the broker, the bookies and etcd")
			return nil
		case p := <-ended: // somebody tried what was proposed
			fmt.Printf("%s has ended: %v\n", p.name, p.cmd.ProcessState)
		}
	}
}

// start starts a process of the cluster and waits until it is ready.
func (c *cluster) start(ctx context.Context, name, role string, args ...string) error {
	args = append([]string{role, "--config", c.config, "--metadata", c.etcd.URL(), "--data", filepath.Join(c.dir, name), "-o", "json"}, args...)
	p, err := begin(ctx, name, c.strobe, args...)
	if err != nil {
		return err
	}
	c.running = append(c.running, p)
	fmt.Printf("%-9s process %d is ready after %d ms: %s\n", name, p.PID, p.ReadyMs, p.Pulsar+p.Bookie)
	return nil
}

func (c *cluster) explain() {
	broker := c.running[len(c.running)-1]
	fmt.Printf(`
Three bookies hold three copies of every message, and two must have it on disk before it is acknowledged.

  export STROBE_URL=%s STROBE_SERVER=%s
  strobe bookies list
  strobe produce hello -m world && strobe consume hello --earliest -n 1
  strobe topics where hello       # its ledgers and their bookies
  kill -9 %d                      # a bookie: publishing goes on
  strobe produce hello -m again && strobe consume hello --earliest -n 1

Ctrl-C stops everything.
`, broker.Pulsar, broker.HTTP, c.running[0].PID)
}

// stop ends the processes in the opposite order of their start.
func (c *cluster) stop() {
	for i := len(c.running) - 1; i >= 0; i-- {
		c.running[i].stop()
	}
	if c.etcd != nil {
		c.etcd.Close()
	}
}

// Command cluster is what `make cluster` runs: one etcd, three bookies and one broker, each a process of its own, from one
// configuration file. It says what to try, and stops them in order when it is told to.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/strobemq/strobe/internal/product"
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

	running map[string]*product.Process
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
	fmt.Println("etcd (the first time it is fetched and built)")
	c.running = map[string]*product.Process{}
	// The processes outlive ctx: they are stopped in order.
	all, err := product.StartCluster(context.WithoutCancel(ctx), product.ClusterOptions{Binary: c.strobe, Dir: c.dir, Bookies: c.bookies,
		Args: []string{"--config", c.config}, Each: c.place, Started: c.started, Progress: os.Stderr})
	if err != nil {
		return err
	}
	c.explain(all)
	c.watch(ctx)
	fmt.Println("stopping the broker, the bookies and etcd")
	return all.Close()
}

// place says where a process listens, and that its log is for whoever watches.
func (c *cluster) place(name string, o *product.Options) {
	o.Log = os.Stderr
	if strings.HasPrefix(name, "broker") {
		o.Listen, o.HTTP = c.listen, c.http
	}
}

func (c *cluster) started(name string, p *product.Process) {
	c.running[name] = p
	fmt.Printf("%-9s process %d is ready after %d ms: %s\n", name, p.PID, p.ReadyMs, p.Pulsar+p.Bookie)
}

// watch says which processes end, because somebody tried what was proposed, until ctx is done.
func (c *cluster) watch(ctx context.Context) {
	ended := make(chan string, len(c.running))
	for name, p := range c.running {
		go func() { <-p.Exited(); ended <- name }()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case name := <-ended:
			fmt.Printf("%s has ended: %v\n", name, c.running[name].State())
		}
	}
}

func (c *cluster) explain(all *product.Cluster) {
	broker := all.Brokers[0]
	fmt.Printf(`
Three bookies hold three copies of every message, and two must have it on disk before it is acknowledged.

  export STROBE_URL=%s STROBE_SERVER=%s
  strobe bookies list
  strobe produce hello -m world && strobe consume hello --earliest -n 1
  strobe topics where hello       # its ledgers and their bookies
  kill -9 %d                      # a bookie: publishing goes on
  strobe produce hello -m again && strobe consume hello --earliest -n 1

Ctrl-C stops everything.
`, broker.Pulsar, broker.HTTP, all.Bookies[0].PID)
}

package product

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/strobemq/strobe/storage/meta/etcd/etcdtest"
)

// ClusterOptions say what a cluster is made of.
type ClusterOptions struct {
	Binary  string
	Dir     string   // each process has a directory in it
	Etcds   int      // members; 0: 1
	Bookies int      // 0: 3
	Brokers int      // 0: 1
	Args    []string // further flags of all strobe processes
	Set     []string // configuration of all strobe processes
	// Each, if it is not nil, is asked for every strobe process before its first start, and may change how it is started. Names are bookie-0, broker-0, ….
	Each func(name string, o *Options)
	// Started is told of every process that is ready; nil: nobody.
	Started func(name string, p *Process)
	// Progress is told what takes long (etcd is fetched and built once); nil: nobody.
	Progress io.Writer
}

// Cluster is etcd, bookies and brokers, each a process of its own on this machine.
type Cluster struct {
	Etcd    *etcdtest.Cluster
	Bookies []*Process
	Brokers []*Process

	o ClusterOptions
}

// StartCluster founds a cluster and returns when every process is ready. The end of ctx kills the strobe processes; Close is needed all the same.
func StartCluster(ctx context.Context, o ClusterOptions) (c *Cluster, err error) {
	c = &Cluster{o: o}
	defer func() {
		if err != nil {
			c.Kill()
		}
	}()
	if c.Etcd, err = etcdtest.Start(etcdtest.Options{Dir: filepath.Join(o.Dir, "etcd"), Members: max(1, o.Etcds), Progress: o.Progress}); err != nil {
		return c, err
	}
	args := append([]string{"cluster", "init", "--metadata", c.Etcd.URL()}, o.Args...)
	for _, s := range o.Set {
		args = append(args, "--set", s)
	}
	if out, err := exec.CommandContext(ctx, o.Binary, args...).CombinedOutput(); err != nil {
		return c, fmt.Errorf("strobe cluster init: %w\n%s", err, out)
	}
	if o.Bookies == 0 {
		o.Bookies = 3
	}
	for range o.Bookies {
		if err = c.AddBookie(ctx); err != nil {
			return c, err
		}
	}
	for range max(1, o.Brokers) {
		if err = c.AddBroker(ctx); err != nil {
			return c, err
		}
	}
	return c, nil
}

// AddBookie starts one more bookie, the last of Bookies.
func (c *Cluster) AddBookie(ctx context.Context) error { return c.add(ctx, "bookie", &c.Bookies) }

// AddBroker starts one more broker, the last of Brokers.
func (c *Cluster) AddBroker(ctx context.Context) error { return c.add(ctx, "broker", &c.Brokers) }

func (c *Cluster) add(ctx context.Context, role string, to *[]*Process) error {
	name := role + "-" + strconv.Itoa(len(*to))
	o := Options{Binary: c.o.Binary, Role: role, Dir: filepath.Join(c.o.Dir, name), Set: c.o.Set}
	o.Args = append([]string{"--metadata", c.Etcd.URL()}, c.o.Args...)
	if c.o.Each != nil {
		c.o.Each(name, &o)
	}
	p, err := Start(ctx, o)
	if err != nil {
		return err
	}
	*to = append(*to, p)
	if c.o.Started != nil {
		c.o.Started(name, p)
	}
	return nil
}

// URL is the service URL that names all brokers.
func (c *Cluster) URL() string {
	var hosts []string
	for _, p := range c.Brokers {
		hosts = append(hosts, strings.TrimPrefix(p.Pulsar, "pulsar://"))
	}
	return "pulsar://" + strings.Join(hosts, ",")
}

// Close stops the processes in the opposite order of their start. Idempotent.
func (c *Cluster) Close() error {
	var first error
	for _, list := range [][]*Process{c.Brokers, c.Bookies} {
		for i := len(list) - 1; i >= 0; i-- {
			if err := list[i].Close(); first == nil {
				first = err
			}
		}
	}
	if c.Etcd != nil {
		c.Etcd.Close()
	}
	return first
}

// Kill is kill -9 of everything. Idempotent.
func (c *Cluster) Kill() {
	for _, p := range append(c.Brokers[:len(c.Brokers):len(c.Brokers)], c.Bookies...) {
		p.Kill()
	}
	if c.Etcd != nil {
		c.Etcd.Close()
	}
}

package etcdtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// startTime is how long a cluster may take to serve.
const startTime = 60 * time.Second

// Options says how a cluster is set up.
type Options struct {
	// Dir holds the members' data and logs; clusters found there are started again. Empty: a temporary directory that Close removes.
	Dir string
	// Members is how many there are; 0: one.
	Members int
	// ClientPorts of the members on 127.0.0.1; missing or 0: a free one, kept over restarts.
	ClientPorts []int
	// Args are added to each member's command line.
	Args []string
	// Client is the scheme of the client URLs, with what it needs in Args; empty: http. Methods that ask members work with http only.
	Client string
	// Progress is told what takes long (building); nil: nobody.
	Progress io.Writer
}

// Cluster is a running etcd. Members are numbered from 0.
type Cluster struct {
	Members []*Member

	dir       string
	temporary bool
}

// Start makes the cluster and returns when every member serves.
func Start(o Options) (*Cluster, error) {
	program, err := Binary(o.Progress)
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: o.Dir}
	if c.dir == "" {
		if c.dir, err = os.MkdirTemp("", "strobe-etcd-"); err != nil {
			return nil, err
		}
		c.temporary = true
	}
	if o.Client == "" {
		o.Client = "http"
	}
	for i := range max(1, o.Members) {
		m := &Member{program: program, name: fmt.Sprintf("m%d", i), scheme: o.Client, args: o.Args}
		if i < len(o.ClientPorts) {
			m.port = o.ClientPorts[i]
		}
		m.dir = filepath.Join(c.dir, m.name)
		c.Members = append(c.Members, m)
	}
	if err := c.takePorts(); err != nil {
		return nil, err
	}
	var list []string
	for _, m := range c.Members {
		list = append(list, m.name+"="+m.peerURL())
	}
	for _, m := range c.Members {
		m.cluster = strings.Join(list, ",")
		if err = m.start(); err != nil {
			break
		}
	}
	if err == nil && o.Client == "http" {
		ctx, cancel := context.WithTimeout(context.Background(), startTime)
		err = c.Wait(ctx)
		cancel()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// takePorts finds free ports for members that have none. All are held until the last is found, so that none comes twice. Peer ports are
// kept in the data directory, because etcd refuses to come back under others.
func (c *Cluster) takePorts() error {
	var held []net.Listener
	defer func() {
		for _, l := range held {
			l.Close()
		}
	}()
	free := func(port *int) error {
		if *port != 0 {
			return nil
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		held = append(held, l)
		*port = l.Addr().(*net.TCPAddr).Port
		return nil
	}
	for _, m := range c.Members {
		if err := os.MkdirAll(m.dir, 0o700); err != nil {
			return err
		}
		path := filepath.Join(m.dir, "peer-port")
		if text, err := os.ReadFile(path); err == nil {
			fmt.Sscan(string(text), &m.peerPort)
		}
		if err := errors.Join(free(&m.port), free(&m.peerPort)); err != nil {
			return err
		}
		if err := os.WriteFile(path, fmt.Append(nil, m.peerPort), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Endpoints are the members' client URLs.
func (c *Cluster) Endpoints() []string {
	var list []string
	for _, m := range c.Members {
		list = append(list, m.URL())
	}
	return list
}

// URL is the metadata URL of the cluster, etcd://host:port,….
func (c *Cluster) URL() string {
	var list []string
	for _, m := range c.Members {
		list = append(list, strings.TrimPrefix(m.URL(), m.scheme+"://"))
	}
	if c.Members[0].scheme == "https" {
		return "etcds://" + strings.Join(list, ",")
	}
	return "etcd://" + strings.Join(list, ",")
}

// Wait returns when every member that runs is healthy, which includes a leader.
func (c *Cluster) Wait(ctx context.Context) error {
	for _, m := range c.Members {
		if err := m.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Leader returns the member that leads; it waits until there is one.
func (c *Cluster) Leader(ctx context.Context) (*Member, error) {
	for {
		for _, m := range c.Members {
			if m.running() && m.leads(ctx) {
				return m, nil
			}
		}
		if err := pause(ctx); err != nil {
			return nil, fmt.Errorf("no member leads: %w", err)
		}
	}
}

// Close kills the members and removes a temporary directory.
func (c *Cluster) Close() {
	var wg sync.WaitGroup
	for _, m := range c.Members {
		wg.Go(m.Kill)
	}
	wg.Wait()
	if c.temporary {
		os.RemoveAll(c.dir)
	}
}

// pause is between two looks at a member.
func pause(ctx context.Context) error {
	t := time.NewTimer(20 * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

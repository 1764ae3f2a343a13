// Package nats runs real nats-servers as processes on this machine: a cluster of three with JetStream on disk that syncs before it
// acknowledges, the peer of the product's five processes.
package nats

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/strobemq/strobe/bench/load"
	"github.com/strobemq/strobe/bench/machine"
)

// Servers is how many there are, and how many have each message.
const Servers = 3

// Config is the configuration of each server; what differs are addresses and the directory.
const Config = `server_name: n%d
listen: 127.0.0.1:%d
jetstream { store_dir: %q, sync_interval: always }
cluster { name: bench, listen: 127.0.0.1:%d, routes: [%s] }
logfile: %q
`

// Cluster is the running servers with one stream of three replicas.
type Cluster struct {
	Leader string // address of the server that leads the stream

	processes []*exec.Cmd
}

// Start starts the servers below dir and makes the stream. The first time on a machine it builds the server and says so on progress.
func Start(ctx context.Context, dir string, progress io.Writer) (c *Cluster, err error) {
	program, err := binary(progress)
	if err != nil {
		return nil, err
	}
	ports, err := machine.FreePorts(2 * Servers)
	if err != nil {
		return nil, err
	}
	clients, routes := ports[:Servers], ports[Servers:]
	var peers []string
	for _, port := range routes {
		peers = append(peers, fmt.Sprintf("nats-route://127.0.0.1:%d", port))
	}
	c = &Cluster{}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	for i := range Servers {
		at := filepath.Join(dir, fmt.Sprintf("n%d", i))
		if err := os.MkdirAll(at, 0o755); err != nil {
			return c, err
		}
		file := filepath.Join(at, "server.conf")
		text := fmt.Sprintf(Config, i, clients[i], filepath.Join(at, "data"), routes[i], strings.Join(peers, ", "), filepath.Join(at, "log"))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return c, err
		}
		cmd := exec.CommandContext(ctx, program, file)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us
		cmd.Stderr = progress
		if err := cmd.Start(); err != nil {
			return c, err
		}
		c.processes = append(c.processes, cmd)
	}
	leader, err := stream(ctx, fmt.Sprintf("127.0.0.1:%d", clients[0]))
	if err != nil {
		return c, err
	}
	var i int
	if _, err := fmt.Sscanf(leader, "n%d", &i); err != nil || i >= Servers {
		return c, fmt.Errorf("the stream's leader is %q", leader)
	}
	c.Leader = fmt.Sprintf("127.0.0.1:%d", clients[i])
	return c, nil
}

// stream asks for the stream until the servers have found each other and it has a leader.
func stream(ctx context.Context, addr string) (leader string, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		if leader, err = load.NATSStream(ctx, addr, Servers); err == nil && leader != "" {
			return leader, nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return "", errors.Join(ctx.Err(), err)
		}
	}
}

// PIDs are the servers' process ids.
func (c *Cluster) PIDs() []int {
	var list []int
	for _, p := range c.processes {
		list = append(list, p.Process.Pid)
	}
	return list
}

// Close kills the servers: what they stored is of no use. Idempotent.
func (c *Cluster) Close() {
	for _, p := range c.processes {
		_ = p.Process.Kill()
	}
	for _, p := range c.processes {
		_ = p.Wait() // it was killed
	}
	c.processes = nil
}

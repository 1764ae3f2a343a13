package peers

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/strobemq/strobe/bench/machine"
)

// Apache is a running Apache Pulsar.
type Apache struct {
	URL string // of the broker

	set       []string // key=value, of every broker
	processes []*process
	settings  []Setting
}

// quorum is that of the cluster, bookies its number of them.
const (
	quorum  = "3/3/2"
	bookies = 3
)

// StartApache starts an Apache Pulsar below dir: in one process, or with cluster set as ZooKeeper, three bookies and a broker. It returns
// when the broker listens, which is before it serves; its caller's client tries until it does. set is configuration of the
// broker, key=value. Close it in any case.
func StartApache(ctx context.Context, s Scripts, dir string, cluster bool, set ...string) (*Apache, error) {
	a := &Apache{set: set}
	start := a.standalone
	if cluster {
		start = a.cluster
	}
	return a, start(ctx, s, dir)
}

func (a *Apache) standalone(ctx context.Context, s Scripts, dir string) error {
	ports, err := machine.FreePorts(3)
	if err != nil {
		return err
	}
	args := a.sets("--broker-port", strconv.Itoa(ports[0]), "--web-port", strconv.Itoa(ports[1]), "--bookie-port", strconv.Itoa(ports[2]))
	_, err = a.add(ctx, s, filepath.Join(dir, "standalone"), "standalone.conf", ports[0], "standalone", args...)
	a.URL = fmt.Sprintf("pulsar://127.0.0.1:%d", ports[0])
	return err
}

func (a *Apache) cluster(ctx context.Context, s Scripts, dir string) error {
	ports, err := machine.FreePorts(3 + bookies)
	if err != nil {
		return err
	}
	broker, web, zk := strconv.Itoa(ports[0]), strconv.Itoa(ports[1]), ports[2]
	metadata := fmt.Sprintf("127.0.0.1:%d", zk)
	if _, err := a.add(ctx, s, filepath.Join(dir, "zookeeper"), "zoo.cfg", zk, "zk", "--port", strconv.Itoa(zk)); err != nil {
		return err
	}
	if err := s.call(ctx, s.apache(), "init-cluster", s.apacheHome(), "--zk", metadata, "--cluster", "c1", "--broker-port", broker, "--web-port", web); err != nil {
		return err
	}
	var all sync.WaitGroup
	errs := make([]error, bookies)
	for i := range bookies {
		name, port := fmt.Sprintf("bookie-%d", i), ports[3+i]
		p, err := s.server(ctx, filepath.Join(dir, name), "bookie", "--zk", metadata, "--port", strconv.Itoa(port))
		if err != nil {
			return err
		}
		a.processes = append(a.processes, p)
		all.Go(func() { errs[i] = p.listens(ctx, port) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	a.settings = append(a.settings, a.processes[1].file("bookkeeper.conf")) // the others differ in ports and directories
	args := a.sets("--zk", metadata, "--cluster", "c1", "--broker-port", broker, "--web-port", web, "--quorum", quorum)
	_, err = a.add(ctx, s, filepath.Join(dir, "broker"), "broker.conf", ports[0], "broker", args...)
	a.URL = "pulsar://127.0.0.1:" + broker
	return err
}

// sets adds the configuration to a broker's arguments.
func (a *Apache) sets(args ...string) []string {
	for _, s := range a.set {
		args = append(args, "--set", s)
	}
	return args
}

// server launches a verb of apache.sh on a data directory.
func (s Scripts) server(ctx context.Context, dir, verb string, args ...string) (*process, error) {
	return s.launch(ctx, dir, s.apache(), append([]string{verb, s.apacheHome(), "--data", dir}, args...)...)
}

// add launches a server, waits until it listens, and keeps its configuration.
func (a *Apache) add(ctx context.Context, s Scripts, dir, conf string, port int, verb string, args ...string) (*process, error) {
	p, err := s.server(ctx, dir, verb, args...)
	if err != nil {
		return nil, err
	}
	a.processes = append(a.processes, p)
	if err := p.listens(ctx, port); err != nil {
		return nil, err
	}
	a.settings = append(a.settings, p.file(conf))
	return p, nil
}

// PIDs are all its processes, ZooKeeper among them.
func (a *Apache) PIDs() []int {
	var list []int
	for _, p := range a.processes {
		list = append(list, p.cmd.Process.Pid)
	}
	return list
}

// Settings are its configuration.
func (a *Apache) Settings() []Setting { return a.settings }

// Close kills it. Idempotent.
func (a *Apache) Close() {
	for _, p := range a.processes {
		p.kill()
	}
	a.processes = nil
}

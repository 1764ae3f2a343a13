// Package peers runs what Strobe is measured beside, as processes on this machine: Apache Pulsar, in one process or as ZooKeeper, bookies and
// a broker, and Debezium Server. It is told where the scripts are that know how to fetch and to start them.
package peers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Scripts says where peers come from.
type Scripts struct {
	Dir      string    // holds apache/apache.sh and peers.sh
	Home     string    // where they keep what they fetched
	Progress io.Writer // is told what they say
}

// startTime is how long one process may take until it listens.
const startTime = 5 * time.Minute

func (s Scripts) apache() string     { return filepath.Join(s.Dir, "apache", "apache.sh") }
func (s Scripts) apacheHome() string { return filepath.Join(s.Home, "apache") }
func (s Scripts) others() string     { return filepath.Join(s.Dir, "peers.sh") }

// Get fetches everything that is not there yet.
func (s Scripts) Get(ctx context.Context) error {
	for _, script := range []string{s.apache(), s.others()} {
		if _, err := os.Stat(script); err != nil {
			return fmt.Errorf("the scripts of the peers: %w", err)
		}
	}
	if err := os.MkdirAll(s.Home, 0o755); err != nil {
		return err
	}
	return errors.Join(s.call(ctx, s.apache(), "get", s.apacheHome()), s.call(ctx, s.others(), "get", "debezium", s.Home))
}

// call runs a script to its end.
func (s Scripts) call(ctx context.Context, script string, args ...string) error {
	cmd := exec.CommandContext(ctx, script, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", filepath.Base(script), args[0], err, tail(out))
	}
	return nil
}

// process is a server that a script became: it stays in the foreground, so that it is a child of this process.
type process struct {
	cmd  *exec.Cmd
	dir  string
	gone chan struct{}
}

// launch starts a server verb of a script, its output in dir/log.
func (s Scripts) launch(ctx context.Context, dir, script string, args ...string) (*process, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p := &process{cmd: exec.CommandContext(ctx, script, append(args, "--fg")...), dir: dir, gone: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // that it ended shows where it is used
		close(p.gone)
	}()
	return p, nil
}

// listens waits until the process takes connections at a port.
func (p *process) listens(ctx context.Context, port int) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		nc, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return nc.Close()
		}
		select {
		case <-p.gone:
			err = errors.New("it ended")
		case <-ctx.Done():
			err = ctx.Err()
		case <-time.After(10 * time.Millisecond):
			continue
		}
		log, _ := os.ReadFile(filepath.Join(p.dir, "log"))
		return fmt.Errorf("%s does not listen: %w\n%s", filepath.Base(p.dir), err, tail(log))
	}
}

// kill is kill -9 of the process and its children. What they stored is of no use.
func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // they may be gone
	<-p.gone
}

// signal goes to the process and its children.
func (p *process) signal(s syscall.Signal) error { return syscall.Kill(-p.cmd.Process.Pid, s) }

// flags are the options of the Java machine that the process runs in, without paths.
func (p *process) flags() string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.cmd.Process.Pid))
	args := strings.Split(string(bytes.TrimRight(b, "\x00")), "\x00")
	if i := slices.Index(args, "-cp"); i > 0 {
		args = args[1:i]
	}
	return strings.Join(slices.DeleteFunc(args, func(a string) bool { return !strings.HasPrefix(a, "-X") }), " ")
}

// Setting is one file of a peer's configuration, or the options it was started with.
type Setting struct{ Of, Text string }

// file reads a configuration; its paths are made short.
func (p *process) file(name string) Setting {
	b, err := os.ReadFile(filepath.Join(p.dir, name))
	if err != nil {
		b = []byte(err.Error())
	}
	text := strings.ReplaceAll(string(b), p.dir, "DIR")
	return Setting{filepath.Base(p.dir) + ", " + p.flags() + ": " + name, strings.TrimSpace(text)}
}

// tail is the last lines of an output.
func tail(b []byte) []byte {
	const most = 2000
	return b[max(0, len(b)-most):]
}

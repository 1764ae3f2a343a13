// Package product runs the strobe binary as what is under test: processes of every role, and clusters of them, which are started, asked, killed,
// frozen and profiled from outside. Measurements (bench), crash rounds and examples stand on it.
package product

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Options say how a process is started.
type Options struct {
	Binary string
	Role   string    // standalone, broker or bookie; empty: standalone
	Dir    string    // its data and log go here; made when it is missing
	Listen string    // for clients; empty: a free port of 127.0.0.1
	HTTP   string    // for REST; empty: a free port of 127.0.0.1
	Args   []string  // further flags
	Set    []string  // configuration, key=value
	Env    []string  // further variables
	Log    io.Writer // for its log; nil: the file "log" in Dir
}

// Process is a strobe that serves.
type Process struct {
	PID     int    `json:"pid"`
	ReadyMs int64  `json:"readyMs"`
	Pulsar  string `json:"pulsar"` // service URL of a broker
	HTTP    string `json:"http"`   // URL of REST and metrics
	Bookie  string `json:"bookie"` // address of a bookie
	ID      string `json:"id"`     // of a bookie

	o      Options
	cmd    *exec.Cmd
	exited chan struct{}
}

// Start starts a process and returns when it says that it is ready. The end of ctx kills it.
func Start(ctx context.Context, o Options) (*Process, error) {
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, err
	}
	const anyPort = "127.0.0.1:0"
	args := []string{or(o.Role, "standalone"), "--data", filepath.Join(o.Dir, "data"), "--listen", or(o.Listen, anyPort), "--http", or(o.HTTP, anyPort), "-o", "json"}
	args = append(args, o.Args...)
	for _, s := range o.Set {
		args = append(args, "--set", s)
	}
	p := &Process{o: o, cmd: exec.CommandContext(ctx, o.Binary, args...), exited: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), o.Env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us: the order of stopping is ours
	p.cmd.Stderr = o.Log
	if o.Log == nil {
		log, err := os.OpenFile(p.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return nil, err
		}
		defer log.Close()
		p.cmd.Stderr = log
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, p)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in its ProcessState
		close(p.exited)
	}()
	if err != nil {
		p.Kill()
		return nil, fmt.Errorf("strobe %s in %s did not become ready: %w\n%s", args[0], o.Dir, err, p.Log())
	}
	return p, nil
}

func or(s, empty string) string {
	if s == "" {
		return empty
	}
	return s
}

// Again starts a process that has ended with its directory, options and addresses.
func (p *Process) Again(ctx context.Context) (*Process, error) {
	o := p.o
	o.Listen = strings.TrimPrefix(or(p.Pulsar, p.Bookie), "pulsar://")
	o.HTTP = strings.TrimPrefix(p.HTTP, "http://")
	return Start(ctx, o)
}

// Dir is where its data and its log are.
func (p *Process) Dir() string { return p.o.Dir }

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// State says how the process ended; before Exited it is nil.
func (p *Process) State() *os.ProcessState { return p.cmd.ProcessState }

func (p *Process) logFile() string { return filepath.Join(p.o.Dir, "log") }

// Log is what all processes of this directory wrote to standard error.
func (p *Process) Log() string {
	b, _ := os.ReadFile(p.logFile())
	return string(b)
}

// Run runs a verb of the CLI against the process and returns what it printed.
func (p *Process) Run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, p.o.Binary, args...)
	cmd.Env = append(os.Environ(), "STROBE_SERVER="+p.HTTP, "STROBE_URL="+p.Pulsar)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("strobe %s: %w\n%s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return string(out), err
}

// Do sends an admin request.
func (p *Process) Do(ctx context.Context, method, path, body string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, p.HTTP+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: HTTP %d: %s", method, path, resp.StatusCode, text)
	}
	return text, err
}

// Metric reads a series from /metrics by its name with labels as they are printed there; by its name alone it is the sum of all that bear it.
func (p *Process) Metric(ctx context.Context, name string) (float64, error) {
	text, err := p.Do(ctx, http.MethodGet, "/metrics", "")
	if err != nil {
		return 0, err
	}
	sum, found := 0.0, false
	for line := range strings.Lines(string(text)) {
		at := strings.LastIndexByte(line, ' ')
		if at <= 0 || line[:at] != name && !strings.HasPrefix(line, name+"{") {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		if err != nil {
			return 0, err
		}
		sum, found = sum+v, true
	}
	if found {
		return sum, nil
	}
	return 0, fmt.Errorf("there is no metric %s", name)
}

// Pause stops the process as SIGSTOP does; Resume lets it go on.
func (p *Process) Pause() error  { return p.cmd.Process.Signal(syscall.SIGSTOP) }
func (p *Process) Resume() error { return p.cmd.Process.Signal(syscall.SIGCONT) }

// Kill is kill -9, and returns when the process has ended. Idempotent.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may be gone
	<-p.exited
}

// stopTime is how long an orderly stop may take.
const stopTime = 30 * time.Second

// Close stops the process in order, or kills it when that takes too long. Idempotent.
func (p *Process) Close() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may be gone
	select {
	case <-p.exited:
		return nil
	case <-time.After(stopTime):
		p.Kill()
		return errors.New("strobe did not stop in time and was killed")
	}
}

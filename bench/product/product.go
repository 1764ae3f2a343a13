// Package product runs the strobe binary for a measurement: starts it in a directory of its own, calls its CLI, reads its metrics.
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

// Options say how a server is started.
type Options struct {
	Binary string
	Dir    string   // everything goes here; made when it is missing
	Set    []string // configuration, key=value
	Env    []string // further variables
}

// Server is a running `strobe standalone`.
type Server struct {
	Pulsar string `json:"pulsar"`
	HTTP   string `json:"http"`
	PID    int    `json:"pid"`

	binary string
	cmd    *exec.Cmd
	exited chan struct{}
	log    string
}

// Start starts a server on free ports and returns when it says that it is ready.
func Start(ctx context.Context, o Options) (*Server, error) {
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, err
	}
	args := []string{"standalone", "--data", filepath.Join(o.Dir, "data"), "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "-o", "json"}
	for _, s := range o.Set {
		args = append(args, "--set", s)
	}
	s := &Server{binary: o.Binary, cmd: exec.CommandContext(ctx, o.Binary, args...), exited: make(chan struct{}), log: filepath.Join(o.Dir, "log")}
	s.cmd.Env = append(os.Environ(), o.Env...)
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s.cmd.Stderr = log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, s)
	}
	go func() {
		_ = s.cmd.Wait() // how it ended is in the log
		close(s.exited)
	}()
	if err != nil {
		_ = s.cmd.Process.Kill()
		<-s.exited
		return nil, fmt.Errorf("strobe did not become ready: %w\n%s", err, s.Log())
	}
	return s, nil
}

// Log is what the server wrote to its standard error.
func (s *Server) Log() string {
	b, _ := os.ReadFile(s.log)
	return string(b)
}

// Run runs a verb of the CLI against the server and returns what it printed.
func (s *Server) Run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, s.binary, args...)
	cmd.Env = append(os.Environ(), "STROBE_SERVER="+s.HTTP, "STROBE_URL="+s.Pulsar)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("strobe %s: %w\n%s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return string(out), err
}

// Do sends an admin request.
func (s *Server) Do(ctx context.Context, method, path, body string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, s.HTTP+path, strings.NewReader(body))
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

// Metric reads one series without labels from /metrics.
func (s *Server) Metric(ctx context.Context, name string) (float64, error) {
	text, err := s.Do(ctx, http.MethodGet, "/metrics", "")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == name {
			return strconv.ParseFloat(f[1], 64)
		}
	}
	return 0, fmt.Errorf("there is no metric %s", name)
}

// stopTime is how long an orderly stop may take.
const stopTime = 30 * time.Second

// Close stops the server in order, or kills it when that takes too long. Idempotent.
func (s *Server) Close() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may be gone
	select {
	case <-s.exited:
		return nil
	case <-time.After(stopTime):
		_ = s.cmd.Process.Kill()
		<-s.exited
		return errors.New("strobe did not stop in time and was killed")
	}
}

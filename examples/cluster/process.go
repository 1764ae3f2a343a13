package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// process is a strobe that runs, with what it said when it was ready.
type process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended

	PID     int    `json:"pid"`
	ReadyMs int64  `json:"readyMs"`
	Pulsar  string `json:"pulsar"`
	HTTP    string `json:"http"`
	Bookie  string `json:"bookie"`
}

// begin starts the program and returns when it is ready. Its log goes to standard error.
func begin(ctx context.Context, name, program string, args ...string) (*process, error) {
	p := &process{name: name, cmd: exec.Command(program, args...), done: make(chan struct{})}
	p.cmd.Stderr = os.Stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us: the order of stopping is ours
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	ready := make(chan error, 1)
	go func() {
		line, err := bufio.NewReader(out).ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(line, p)
		}
		ready <- err
		_ = p.cmd.Wait() // how it ended is in its ProcessState
		close(p.done)
	}()
	select {
	case err = <-ready:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("%s did not become ready (%s %s): %w", name, filepath.Base(program), args[0], err)
	}
	return p, nil
}

// stopTime is how long a process may take to stop.
const stopTime = 30 * time.Second

// stop ends the process in order, or for good if that takes too long.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may be gone
	t := time.AfterFunc(stopTime, func() { _ = p.cmd.Process.Kill() })
	defer t.Stop()
	<-p.done
}

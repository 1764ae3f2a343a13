package postgrestest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is one run of the postmaster and all its children. They share its standard error: a line there says that the server is
// ready, and its end says that the last of them is gone, however they died.
type process struct {
	pid   int
	ready chan struct{} // closed when the server accepts connections
	gone  chan struct{} // closed when no process of the cluster lives any more, and the postmaster was reaped

	mu   sync.Mutex
	tail []string // last lines of the log, for errors
}

// launch starts program; its log also goes to log.
func launch(program string, args []string, log io.Writer) (*process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = w, w
	attr := *account().attr
	attr.Setpgid = true // a Ctrl-C at the terminal is for the starter, who stops the server in order
	dieWith(&attr)
	cmd.SysProcAttr = &attr

	p := &process{ready: make(chan struct{}), gone: make(chan struct{})}
	started := make(chan error)
	reaped := make(chan struct{})
	go func() {
		// The server dies with the thread that started it, so that thread stays until the server is gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait()
		}
		close(reaped)
	}()
	err = <-started
	w.Close()
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("%s: %w", program, err)
	}
	p.pid = cmd.Process.Pid
	go func() {
		p.follow(r, log)
		r.Close()
		<-reaped
		close(p.gone)
	}()
	return p, nil
}

func (p *process) follow(r io.Reader, log io.Writer) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	ready := false
	for lines.Scan() {
		fmt.Fprintln(log, lines.Text())
		p.mu.Lock()
		p.tail = append(p.tail[max(0, len(p.tail)-9):], lines.Text())
		p.mu.Unlock()
		if !ready && strings.Contains(lines.Text(), "database system is ready to accept connections") {
			ready = true
			close(p.ready)
		}
	}
	io.Copy(log, r) // a line too long for the scanner ends it; the pipe must not block the server
}

// lastLines is the end of the log.
func (p *process) lastLines() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.tail, "\n")
}

// kill is kill -9 of the whole cluster at one moment: the postmaster is stopped first, so that it starts nobody meanwhile.
func (p *process) kill() {
	syscall.Kill(p.pid, syscall.SIGSTOP)
	pids := append(children(p.pid), p.pid)
	for _, pid := range pids {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	<-p.gone
}

// stop asks for a fast shutdown, insists after a while, and returns when all are gone.
func (p *process) stop() {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		syscall.Kill(p.pid, sig)
		select {
		case <-p.gone:
			return
		case <-time.After(10 * time.Second):
		}
	}
	p.kill()
}

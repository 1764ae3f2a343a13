package etcdtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Member is one process of a cluster. Its methods may be called from several goroutines.
type Member struct {
	program, name, dir, cluster, scheme string
	args                                []string
	port, peerPort                      int

	mu   sync.Mutex
	pid  int
	gone chan struct{} // closed when the process was reaped; nil: never started
}

// URL is where clients reach the member.
func (m *Member) URL() string { return fmt.Sprintf("%s://127.0.0.1:%d", m.scheme, m.port) }

func (m *Member) peerURL() string { return fmt.Sprintf("http://127.0.0.1:%d", m.peerPort) }

// start launches the process; it does not wait until the member serves.
func (m *Member) start() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gone != nil {
		select {
		case <-m.gone:
		default:
			return fmt.Errorf("etcd %s runs already", m.name)
		}
	}
	log, err := os.OpenFile(filepath.Join(m.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	args := append([]string{
		"--name", m.name, "--data-dir", filepath.Join(m.dir, "data"), "--log-level", "warn",
		"--listen-client-urls", m.URL(), "--advertise-client-urls", m.URL(),
		"--listen-peer-urls", m.peerURL(), "--initial-advertise-peer-urls", m.peerURL(),
		"--initial-cluster", m.cluster, "--initial-cluster-token", "strobe",
	}, m.args...)
	cmd := exec.Command(m.program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C at the terminal is for the starter
	dieWith(cmd.SysProcAttr)
	started, gone := make(chan error), make(chan struct{})
	go func() {
		// The member dies with the thread that started it, so that thread stays until the member is gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(gone)
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("etcd %s: %w", m.name, err)
	}
	m.pid, m.gone = cmd.Process.Pid, gone
	return nil
}

// signal sends sig if the process lives, and returns the channel that its end closes.
func (m *Member) signal(sig syscall.Signal) <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gone == nil {
		gone := make(chan struct{})
		close(gone)
		return gone
	}
	select {
	case <-m.gone:
	default:
		syscall.Kill(m.pid, sig)
	}
	return m.gone
}

// Kill is kill -9; it returns when the process is gone.
func (m *Member) Kill() { <-m.signal(syscall.SIGKILL) }

// Stop asks the member to end in order, and insists after 10 s.
func (m *Member) Stop() {
	select {
	case <-m.signal(syscall.SIGTERM):
	case <-time.After(10 * time.Second):
		m.Kill()
	}
}

// Pause holds the process up as SIGSTOP does: its connections stay open and nothing answers.
func (m *Member) Pause() { m.signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (m *Member) Resume() { m.signal(syscall.SIGCONT) }

// Start starts the member again after Kill or Stop. It does not wait until it serves: that may need other members (Cluster.Wait).
func (m *Member) Start() error { return m.start() }

// PID is the process's id; 0: it was never started.
func (m *Member) PID() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pid
}

func (m *Member) running() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gone == nil {
		return false
	}
	select {
	case <-m.gone:
		return false
	default:
		return true
	}
}

// wait returns when the member is healthy or does not run.
func (m *Member) wait(ctx context.Context) error {
	began := m.running()
	for m.running() {
		var h struct{ Health string }
		if m.ask(ctx, http.MethodGet, "/health", &h) == nil && h.Health == "true" {
			return nil
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("etcd %s does not serve: %w\n%s", m.name, err, m.lastLines())
		}
	}
	if began {
		return fmt.Errorf("etcd %s ended:\n%s", m.name, m.lastLines())
	}
	return nil
}

// leads asks the member whether it is the leader.
func (m *Member) leads(ctx context.Context) bool {
	var status struct {
		Header struct {
			ID string `json:"member_id"`
		}
		Leader string
	}
	return m.ask(ctx, http.MethodPost, "/v3/maintenance/status", &status) == nil && status.Leader == status.Header.ID && status.Leader != "0"
}

// ask makes a request of etcd's JSON interface.
func (m *Member) ask(ctx context.Context, method, path string, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, m.URL()+path, strings.NewReader("{}"))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(http.MaxBytesReader(nil, resp.Body, 1<<20)).Decode(answer)
}

// lastLines is the end of the member's log.
func (m *Member) lastLines() string {
	text, err := os.ReadFile(filepath.Join(m.dir, "log"))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}

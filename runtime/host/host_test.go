package host

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/functions"
)

// The test binary is its own child: with this variable it runs RunChild over scripted instances.
const childVariable = "STROBE_TEST_HOST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		if err := RunChild(slog.New(slog.DiscardHandler), buildScripted, judgeScripted); err != nil {
			os.Exit(3)
		}
	}
	os.Exit(m.Run())
}

func judgeScripted(_ context.Context, _ Settings, path string, memory int64) error {
	switch {
	case path == "good" && memory == 5:
		return nil
	case path == "endless": // a compiler that cannot be stopped
		for n := uint(1); n != 0; n |= 1 {
		}
	case path == "deadly":
		os.Exit(2)
	}
	return fault.FunctionNotWasm.New("%s", path)
}

// scripted is an instance that does what its connector's name says.
type scripted struct {
	done chan struct{}
	once sync.Once

	mu     sync.Mutex
	status functions.Status
}

func buildScripted(ctx context.Context, in functions.Instance, env Environment) (Running, error) {
	s := &scripted{done: make(chan struct{}), status: functions.Status{Instance: in.Index, Generation: in.Spec.Generation, State: functions.StateRunning}}
	switch in.Spec.Connector {
	case "refused":
		return nil, fault.FunctionNotWasm.New("a test")
	case "ends":
		s.end(functions.Status{State: functions.StateFailed, Error: "it ended", Code: fault.FunctionCrashed.Code})
	case "counts": // reads its checkpoint, adds one, saves it, and tells
		value, err := env.Checkpoints.Load(ctx)
		if err != nil {
			return nil, err
		}
		n, _ := strconv.Atoi(string(value))
		if err := env.Checkpoints.Save(ctx, []byte(strconv.Itoa(n+1))); err != nil {
			return nil, err
		}
		s.status.Received = int64(n + 1)
	case "secret":
		v, err := env.Secret("env:X")
		if err != nil {
			return nil, err
		}
		s.status.Error = v
	case "hangs": // the process computes without a pause
		go func() {
			for n := uint(1); n != 0; n |= 1 { // for ever
			}
		}()
	}
	return s, nil
}

func (s *scripted) end(last functions.Status) {
	s.once.Do(func() {
		s.mu.Lock()
		s.status = last
		s.mu.Unlock()
		close(s.done)
	})
}

func (s *scripted) Status() (functions.Status, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status, true
}
func (s *scripted) Done() <-chan struct{} { return s.done }
func (s *scripted) Stop(context.Context) error {
	s.end(functions.Status{State: functions.StateStopped})
	return nil
}

func launcher(t *testing.T) *Launcher {
	t.Helper()
	t.Setenv(childVariable, "1")
	var mu sync.Mutex
	saved := map[string][]byte{}
	l := NewLauncher(Options{
		Command: []string{os.Args[0]},
		LoadCheckpoint: func(_ context.Context, _ functions.Kind, n functions.FQName, _ int) ([]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			return saved[n.String()], nil
		},
		SaveCheckpoint: func(_ context.Context, _ functions.Kind, n functions.FQName, _ int, v []byte) error {
			mu.Lock()
			defer mu.Unlock()
			saved[n.String()] = v
			return nil
		},
		Secret: func(ref string) (string, error) {
			if ref != "env:X" {
				return "", errors.New("unexpected reference")
			}
			return "x", nil
		},
	})
	t.Cleanup(func() { l.Close() })
	return l
}

func instanceOf(connector string) functions.Instance {
	return functions.Instance{Spec: functions.Spec{FQName: functions.FQName{Tenant: "t", Namespace: "n", Name: connector}, Kind: functions.KindSource,
		Generation: 7, Connector: connector}}
}

func run(t *testing.T, l *Launcher, connector string) functions.Handle {
	t.Helper()
	h, err := l.Start(t.Context(), instanceOf(connector))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestInstanceRunsAndStops(t *testing.T) {
	l := launcher(t)
	if l.PID() != 0 {
		t.Error("a child without a deployment")
	}
	h := run(t, l, "plain")
	if s, ok := h.Status(); !ok || s.State != functions.StateRunning || s.Generation != 7 {
		t.Errorf("status %+v %v", s, ok)
	}
	if err := h.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s, ok := h.Status(); !ok || s.State != functions.StateStopped {
		t.Errorf("after the stop: %+v %v", s, ok)
	}
	if err := h.Stop(t.Context()); err != nil {
		t.Errorf("a second stop: %v", err)
	}
}

func TestPositionsAndSecretsGoThroughTheParent(t *testing.T) {
	l := launcher(t)
	for want := int64(1); want <= 3; want++ {
		h := run(t, l, "counts")
		if s, _ := h.Status(); s.Received != want {
			t.Errorf("life %d read %d", want, s.Received)
		}
		if err := h.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if s, _ := run(t, l, "secret").Status(); s.Error != "x" {
		t.Errorf("secret %q", s.Error)
	}
}

func TestAFaultKeepsItsCodeOverTheSocket(t *testing.T) {
	_, err := launcher(t).Start(t.Context(), instanceOf("refused"))
	if !fault.Has(err, fault.FunctionNotWasm) || !strings.Contains(err.Error(), "a test") {
		t.Errorf("error %v", err)
	}
}

func TestTheChildJudgesModules(t *testing.T) {
	l := launcher(t)
	if err := l.Judge(t.Context(), "good", 5); err != nil {
		t.Error(err)
	}
	if err := l.Judge(t.Context(), "bad", 5); !fault.Has(err, fault.FunctionNotWasm) {
		t.Errorf("error %v", err)
	}
}

// A module that cannot be compiled in time, or takes its process along, is refused; nothing of it is left, and the instances go on.
func TestModulesThatAreHardToJudge(t *testing.T) {
	l := launcher(t)
	h := run(t, l, "plain")
	pid := l.PID()
	l.o.JudgeTime = 300 * time.Millisecond
	if err := l.Judge(t.Context(), "endless", 5); !fault.Has(err, fault.FunctionCompileTime) {
		t.Errorf("endless: %v", err)
	}
	l.o.JudgeTime = time.Minute
	if err := l.Judge(t.Context(), "deadly", 5); !fault.Has(err, fault.FunctionDamaged) {
		t.Errorf("deadly: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := l.Judge(ctx, "endless", 5); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("given up: %v", err)
	}
	if err := l.Judge(t.Context(), "good", 5); err != nil {
		t.Error(err)
	}
	if s, ok := h.Status(); !ok || s.State != functions.StateRunning || l.PID() != pid {
		t.Errorf("the instance beside it: %+v %v, process %d after %d", s, ok, l.PID(), pid)
	}
}

// The end of the launcher ends a judgement.
func TestCloseEndsAJudgement(t *testing.T) {
	l := launcher(t)
	judged := make(chan error, 1)
	go func() { judged <- l.Judge(t.Context(), "endless", 5) }()
	for { // until there is a process to end
		l.judges.mu.Lock()
		c := l.judges.child
		l.judges.mu.Unlock()
		if c != nil {
			break
		}
		runtime.Gosched()
	}
	l.Close()
	if err := <-judged; !errors.Is(err, errClosed) {
		t.Errorf("%v", err)
	}
	if err := l.Judge(t.Context(), "good", 5); !errors.Is(err, errClosed) {
		t.Errorf("afterwards: %v", err)
	}
}

func TestAnInstanceTellsHowItEnded(t *testing.T) {
	h := run(t, launcher(t), "ends")
	<-h.Done()
	if s, ok := h.Status(); !ok || s.State != functions.StateFailed || s.Code != fault.FunctionCrashed.Code {
		t.Errorf("%+v %v", s, ok)
	}
}

func TestAKilledChildEndsItsInstancesAndIsReplaced(t *testing.T) {
	l := launcher(t)
	h := run(t, l, "plain")
	first := l.PID()
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-h.Done()
	if _, ok := h.Status(); ok {
		t.Error("the instance is said to have told its end")
	}
	run(t, l, "plain")
	if l.PID() == first || l.PID() == 0 {
		t.Errorf("pid %d after %d", l.PID(), first)
	}
}

func TestAHangingChildGoesWithItsParent(t *testing.T) {
	l := launcher(t)
	h := run(t, l, "hangs")
	pid := l.PID()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	<-h.Done()
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the child is still there: %v", err)
	}
	if _, err := l.Start(t.Context(), instanceOf("plain")); err == nil {
		t.Error("a closed launcher starts something")
	}
}

func TestCallTimesOutAndLateAnswersAreDropped(t *testing.T) {
	ours, theirs, err := socketPair()
	if err != nil {
		t.Fatal(err)
	}
	other, err := fileConn(theirs)
	if err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	server := newPeer(other, func(_ context.Context, method string, _ json.RawMessage) (any, error) {
		if method == "slow" {
			<-release
		}
		return method, nil
	})
	defer server.close()
	client := newPeer(ours, nil)
	defer client.close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := client.call(ctx, "slow", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("slow call: %v", err)
	}
	close(release)
	var got string
	if err := client.call(t.Context(), "fast", nil, &got); err != nil || got != "fast" {
		t.Errorf("%q %v", got, err)
	}
	client.close()
	if err := client.call(t.Context(), "late", nil, nil); !errors.Is(err, errPeerGone) {
		t.Errorf("a call after the end: %v", err)
	}
}

func FuzzReadFrame(f *testing.F) {
	frameOf := func(text string) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
	}
	f.Add(frameOf(`{"id":1,"method":"start","body":{"a":1}}`))
	f.Add(frameOf(`{"id":1,"error":{"code":"STB-X-0001","detail":"d"}}`))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		fr, err := readFrame(bytes.NewReader(data))
		if err == nil && fr.Error != nil {
			_ = fr.Error.err()
		}
	})
}

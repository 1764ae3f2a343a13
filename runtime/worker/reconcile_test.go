package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/functions"
	"github.com/strobemq/strobe/storage/meta/memory"
)

// fakeLauncher starts instances that do what a test tells them.
type fakeLauncher struct {
	mu      sync.Mutex
	running map[string]*fakeHandle
	starts  []time.Time
	fail    error
	slow    time.Duration // a start takes this long, and goes on when nobody waits for it any more
}

func newFakeLauncher() *fakeLauncher { return &fakeLauncher{running: map[string]*fakeHandle{}} }

func (l *fakeLauncher) Start(ctx context.Context, in functions.Instance) (functions.Handle, error) {
	if l.slow > 0 {
		done := make(chan functions.Handle, 1)
		go func() {
			time.Sleep(l.slow)
			h, _ := l.begin(in)
			done <- h
		}()
		select {
		case h := <-done:
			return h, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return l.begin(in)
}

func (l *fakeLauncher) begin(in functions.Instance) (functions.Handle, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.starts = append(l.starts, time.Now())
	if l.fail != nil {
		return nil, l.fail
	}
	h := &fakeHandle{l: l, key: fmt.Sprintf("%s/%d", in.Spec.FQName, in.Index), done: make(chan struct{}), told: true,
		status: functions.Status{Instance: in.Index, Generation: in.Spec.Generation, State: functions.StateRunning}}
	if l.running[h.key] != nil {
		panic("two lives of " + h.key)
	}
	l.running[h.key] = h
	return h, nil
}

func (l *fakeLauncher) keys() map[string]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]int64{}
	for k, h := range l.running {
		out[k] = h.status.Generation
	}
	return out
}

func (l *fakeLauncher) get(key string) *fakeHandle {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.running[key]
}

type fakeHandle struct {
	l      *fakeLauncher
	key    string
	done   chan struct{}
	status functions.Status
	told   bool
	stuck  atomic.Bool // does not stop
}

func (h *fakeHandle) Status() (functions.Status, bool) { return h.status, h.told }
func (h *fakeHandle) Done() <-chan struct{}            { return h.done }
func (h *fakeHandle) Stop(ctx context.Context) error {
	if h.stuck.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	h.end(functions.StateStopped, true)
	return nil
}

func (h *fakeHandle) end(state functions.State, told bool) {
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	select {
	case <-h.done:
		return
	default:
	}
	h.status.State, h.told = state, told
	delete(h.l.running, h.key)
	close(h.done)
}

func spec(name string, parallelism int) functions.Spec {
	return functions.Spec{FQName: functions.FQName{Tenant: "t", Namespace: "n", Name: name}, Kind: functions.KindFunction, Parallelism: parallelism,
		Artifact: &functions.Artifact{SHA256: "00"}}
}

func fetchNothing(context.Context, functions.Artifact) (string, error) { return "", nil }

// removeRecord ends deletions of what has nothing but its record.
func removeRecord(s store) func(context.Context, owner, int) error {
	return func(ctx context.Context, o owner, _ int) error {
		cur, err := s.get(ctx, o.kind, o.name)
		if err != nil || !cur.Deleting {
			return err
		}
		return s.remove(ctx, cur)
	}
}

// reconciling runs a test with a reconciler over a memory store in fake time.
func reconciling(t *testing.T, test func(s store, l *fakeLauncher, r *reconciler)) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		defer m.Close()
		l := newFakeLauncher()
		s := store{m}
		r := newReconciler(s, l, fetchNothing, removeRecord(s), discardLog())
		if err := r.start(); err != nil {
			t.Fatal(err)
		}
		test(s, l, r)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r.close(ctx)
		if left := l.keys(); len(left) > 0 {
			t.Errorf("after the end %v is running", left)
		}
	})
}

// TestSlowStartIsNotDoubled: an instance that takes minutes to start is started once; its launcher would panic over two.
func TestSlowStartIsNotDoubled(t *testing.T) {
	reconciling(t, func(s store, l *fakeLauncher, r *reconciler) {
		l.slow = 3 * time.Minute
		if err := s.create(t.Context(), spec("f", 1)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		l.mu.Lock()
		n := len(l.starts)
		l.mu.Unlock()
		if n != 1 || l.get("t/n/f/0") == nil {
			t.Errorf("%d starts, running: %v", n, l.keys())
		}
	})
}

func TestReconcilerFollowsTheDesiredState(t *testing.T) {
	reconciling(t, func(s store, l *fakeLauncher, r *reconciler) {
		ctx := t.Context()
		want := func(what string, keys map[string]int64) {
			t.Helper()
			synctest.Wait()
			if got := l.keys(); fmt.Sprint(got) != fmt.Sprint(keys) {
				t.Errorf("%s: %v runs, want %v", what, got, keys)
			}
		}
		must(t, s.create(ctx, spec("f", 2)))
		must(t, s.create(ctx, spec("g", 1)))
		want("created", map[string]int64{"t/n/f/0": 1, "t/n/f/1": 1, "t/n/g/0": 1})
		change := func(edit func(*functions.Spec)) {
			t.Helper()
			_, err := s.change(ctx, functions.KindFunction, spec("f", 0).FQName, func(s *functions.Spec) error { edit(s); return nil })
			must(t, err)
		}
		change(func(s *functions.Spec) { s.Parallelism = 1 })
		want("fewer", map[string]int64{"t/n/f/0": 2, "t/n/g/0": 1})
		change(func(s *functions.Spec) { s.Stopped = true })
		want("stopped", map[string]int64{"t/n/g/0": 1})
		change(func(s *functions.Spec) { s.Stopped = false })
		want("started", map[string]int64{"t/n/f/0": 4, "t/n/g/0": 1})
		must(t, s.mark(ctx, functions.KindFunction, spec("f", 0).FQName))
		want("deleted", map[string]int64{"t/n/g/0": 1})
		if _, err := s.get(ctx, functions.KindFunction, spec("f", 0).FQName); !fault.Has(err, fault.WorkerNotFound) {
			t.Errorf("its record: %v", err)
		}
	})
}

func TestReconcilerRestartsWithBackOff(t *testing.T) {
	reconciling(t, func(s store, l *fakeLauncher, r *reconciler) {
		must(t, s.create(t.Context(), spec("f", 1)))
		var waits []time.Duration
		for i := range 4 {
			synctest.Wait()
			died := time.Now()
			l.get("t/n/f/0").end(functions.StateStopped, false) // its process died
			synctest.Wait()
			if st := r.statuses(spec("f", 1))[0]; st.State != functions.StateBackoff || st.Error == "" {
				t.Errorf("after a death: %+v", st)
			}
			time.Sleep(restartMost)
			synctest.Wait()
			waits = append(waits, l.starts[i+1].Sub(died))
		}
		if want := "[500ms 1s 2s 4s]"; fmt.Sprint(waits) != want {
			t.Errorf("waits before restarts %v, want %s", waits, want)
		}
		if st := r.statuses(spec("f", 1))[0]; st.Restarts != 4 {
			t.Errorf("restarts %d", st.Restarts)
		}
	})
}

func TestReconcilerLeavesWhatFailedForGood(t *testing.T) {
	reconciling(t, func(s store, l *fakeLauncher, r *reconciler) {
		must(t, s.create(t.Context(), spec("f", 1)))
		synctest.Wait()
		l.get("t/n/f/0").end(functions.StateFailed, true)
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(l.starts) != 1 || r.statuses(spec("f", 1))[0].State != functions.StateFailed {
			t.Errorf("%d starts, %+v", len(l.starts), r.statuses(spec("f", 1)))
		}
		_, err := s.change(t.Context(), functions.KindFunction, spec("f", 0).FQName, func(s *functions.Spec) error { s.RestartNonce++; return nil })
		must(t, err)
		synctest.Wait()
		if len(l.starts) != 2 {
			t.Error("a restart that a person asked for did not happen")
		}
	})
}

func TestReconcilerTellsPassingFromLastingTroubleAtStart(t *testing.T) {
	reconciling(t, func(s store, l *fakeLauncher, r *reconciler) {
		l.fail = errors.New("no process can be had just now")
		must(t, s.create(t.Context(), spec("f", 1)))
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(l.starts); n < 5 {
			t.Errorf("%d tries in a minute", n)
		}
		l.mu.Lock()
		l.fail = fault.FunctionNotWasm.New("x")
		l.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		before := len(l.starts)
		time.Sleep(time.Hour)
		synctest.Wait()
		st := r.statuses(spec("f", 1))[0]
		if len(l.starts) != before || st.State != functions.StateFailed || st.Code != fault.FunctionNotWasm.Code {
			t.Errorf("%d more tries, %+v", len(l.starts)-before, st)
		}
	})
}

func TestReconcilerTriesAgainToStopWhatIsStuck(t *testing.T) {
	reconciling(t, func(s store, l *fakeLauncher, r *reconciler) {
		must(t, s.create(t.Context(), spec("f", 1)))
		synctest.Wait()
		h := l.get("t/n/f/0")
		h.stuck.Store(true)
		must(t, s.mark(t.Context(), functions.KindFunction, spec("f", 0).FQName))
		time.Sleep(2 * drainTime)
		h.stuck.Store(false)
		time.Sleep(2 * drainTime)
		synctest.Wait()
		if len(l.keys()) != 0 {
			t.Error("it was never stopped")
		}
		if _, err := s.get(t.Context(), functions.KindFunction, spec("f", 0).FQName); !fault.Has(err, fault.WorkerNotFound) {
			t.Errorf("its record: %v", err)
		}
	})
}

func TestChangesThatCrossAreAllMade(t *testing.T) {
	m := memory.New()
	defer m.Close()
	s := store{m}
	must(t, s.create(t.Context(), spec("f", 1)))
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			_, err := s.change(t.Context(), functions.KindFunction, spec("f", 0).FQName, func(s *functions.Spec) error { s.RestartNonce++; return nil })
			if err != nil && !fault.Has(err, fault.WorkerBusy) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got, err := s.get(t.Context(), functions.KindFunction, spec("f", 0).FQName)
	must(t, err)
	if got.RestartNonce != 5 || got.Generation != 6 {
		t.Errorf("nonce %d, generation %d", got.RestartNonce, got.Generation)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

package wasm

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/strobemq/strobe/runtime/wasm/fuel"
)

// guard bounds the time a guest may take for one call. All that is known of how a guest is interrupted is in this file: its module was
// rewritten to call the host every some ten microseconds (package fuel), and the host ends it when its time is over.
type guard struct {
	deadline time.Duration
	slow     *bool // the function has had a call longer than patience
	now      watch // of the call that runs
}

// patience is how long a guest may compute before it has to stand behind everything else that wants a processor. Longer calls are few, and
// those that never end are the reason.
const patience = 20 * time.Millisecond

// turn is how long a guest behind everything else keeps the process's processor: shorter, and going from thread to thread costs more than it gives.
const turn = 2 * time.Millisecond

// watch is the context of one guarded call.
type watch struct {
	context.Context // the caller's
	begin, end      time.Time
	apart           bool      // on a goroutine of its own
	behind          bool      // and its thread behind all others
	turn            time.Time // when it last let others go first
}

type watchKey struct{}

// Value implements context.Context; it finds the watch itself too.
func (w *watch) Value(key any) any {
	if key == (watchKey{}) {
		return w
	}
	return w.Context.Value(key)
}

var errDeadline = errors.New("deadline")

// run calls f with the guarded context. It returns errDeadline if the guest was stopped for taking too long, ctx's error if ctx ended the
// call, and else what f returns. After errDeadline and ctx's error the guest cannot be used any more.
func (g *guard) run(ctx context.Context, f func(ctx context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	begin := time.Now()
	g.now = watch{Context: ctx, begin: begin, end: begin.Add(g.deadline), apart: *g.slow}
	err := g.do(f)
	if time.Since(begin) > patience {
		*g.slow = true
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errDeadline):
		return errDeadline
	}
	return err
}

// do calls f, here or where its thread can be put behind all others. A thread cannot always come back from there, so a function that was slow
// before gets a goroutine for each call, and the thread ends with it.
func (g *guard) do(f func(ctx context.Context) error) error {
	if !g.now.apart {
		return f(&g.now)
	}
	done := make(chan error, 1)
	go func() {
		done <- f(&g.now)
		// A goroutine that is still locked to its thread takes the thread with it.
	}()
	return <-done
}

// call calls one function of a guest under the guard's context; stack carries parameters in and results out.
func (*guard) call(ctx context.Context, f api.Function, stack []uint64) error {
	return f.CallWithStack(ctx, stack)
}

// installYield makes the function that rewritten modules call.
func installYield(ctx context.Context, r wazero.Runtime) error {
	_, err := r.NewHostModuleBuilder(fuel.Module).NewFunctionBuilder().WithGoFunction(api.GoFunc(yield), nil, nil).Export(fuel.Yield).Instantiate(ctx)
	return err
}

// yield ends a guest whose time is over. That it is Go is what lets the scheduler stop the goroutine here.
func yield(ctx context.Context, _ []uint64) {
	w := ctx.Value(watchKey{}).(*watch)
	switch {
	case w.Err() != nil:
		panic(w.Err())
	}
	now := time.Now()
	switch {
	case !now.Before(w.end):
		panic(errDeadline)
	case w.behind:
		if now.Sub(w.turn) > turn { // the thread may wait long for a processor: it does not keep the scheduler's
			w.turn = now
			runtime.Gosched()
		}
	case w.apart && now.Sub(w.begin) > patience:
		runtime.LockOSThread()
		yieldProcessor()
		w.behind = true
	}
}

// sleep is what a guest that waits does, not longer than it may run.
func sleep(ctx context.Context, d time.Duration) {
	w := ctx.Value(watchKey{}).(*watch)
	t := time.NewTimer(min(d, time.Until(w.end)))
	defer t.Stop()
	select {
	case <-t.C:
	case <-w.Done():
	}
	yield(ctx, nil)
}

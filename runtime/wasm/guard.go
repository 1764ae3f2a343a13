package wasm

import (
	"context"
	"errors"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/strobemq/strobe/runtime/wasm/fuel"
)

// guard bounds the time a guest may take for one call. All that is known of how a guest is interrupted is in this file: its module was
// rewritten to call the host every some ten microseconds (package fuel), and the host ends it when its time is over.
type guard struct {
	deadline time.Duration
	now      watch // of the call that runs
}

// watch is the context of one guarded call.
type watch struct {
	context.Context // the caller's
	end             time.Time
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
	g.now = watch{ctx, time.Now().Add(g.deadline)}
	err := f(&g.now)
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
	case !time.Now().Before(w.end):
		panic(errDeadline)
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

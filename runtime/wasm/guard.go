package wasm

import (
	"context"
	"errors"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// guard bounds the time a guest may take for one call. All that is known of how a guest is interrupted is in this file.
//
// Now: the runtime checks at each function entry and loop whether the context is done. That costs about 0.4 µs a call and makes tight
// loops several times slower; counting fuel in the module itself would cost a tenth of that, and can replace this here.
type guard struct {
	deadline time.Duration
}

var errDeadline = errors.New("deadline")

func (g guard) config(c wazero.RuntimeConfig) wazero.RuntimeConfig {
	return c.WithCloseOnContextDone(true)
}

// run calls f with the guarded context. It returns errDeadline if the guest was stopped for taking too long, ctx's error if ctx ended the
// call, and else what f returns. After errDeadline and ctx's error the guest cannot be used any more.
func (g guard) run(ctx context.Context, f func(ctx context.Context) error) error {
	call, cancel := context.WithTimeout(ctx, g.deadline)
	defer cancel()
	err := f(call)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case call.Err() != nil:
		return errDeadline
	}
	return err
}

// call calls one function of a guest under the guard's context; stack carries parameters in and results out.
func (guard) call(ctx context.Context, f api.Function, stack []uint64) error {
	return f.CallWithStack(ctx, stack)
}

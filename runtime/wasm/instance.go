package wasm

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/sys"

	"github.com/strobemq/strobe/functions-sdk/abi"
	"github.com/strobemq/strobe/internal/fault"
)

// instance is one guest. After any error but that of a wrong argument it has to be closed.
type instance struct {
	module  api.Module
	memory  api.Memory
	linear  *memory
	guard   guard
	process api.Function
	stack   [2]uint64

	// The guest's buffer for requests. It stays where it is until strobe_buf is called again.
	input, room uint32
}

// instantiate starts a guest of p. After an error the instance is closed, and only good for explain.
func instantiate(ctx context.Context, p *program, o *Options) (*instance, error) {
	a := &allocator{limit: uint64(o.MemoryBytes)}
	start := guard{deadline: max(o.Deadline, o.StartTime), slow: &p.slow}
	in := &instance{guard: start}
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	err := start.run(ctx, func(ctx context.Context) (err error) {
		in.module, err = p.runtime.InstantiateModule(experimental.WithMemoryAllocator(ctx, a), p.compiled, config)
		in.linear = a.mem
		if err != nil {
			return err
		}
		in.memory = in.module.Memory()
		in.process = in.module.ExportedFunction(abi.ExportProcess)
		if f := in.module.ExportedFunction(abi.ExportInitialize); f != nil {
			if err := start.call(ctx, f, in.stack[:]); err != nil {
				return err
			}
		}
		return in.checkABI(ctx)
	})
	if err != nil {
		in.close()
		return in, err
	}
	in.guard.deadline = o.Deadline
	return in, nil
}

func (in *instance) checkABI(ctx context.Context) error {
	if err := in.guard.call(ctx, in.module.ExportedFunction(abi.ExportABI), in.stack[:]); err != nil {
		return err
	}
	switch v := uint32(in.stack[0]); v {
	case abi.Version:
		return nil
	case 0:
		return fault.FunctionNoHandler.New("")
	default:
		return fault.FunctionABI.New("the module's is %d, Strobe's is %d", v, abi.Version)
	}
}

// call passes a request of n bytes, which write writes, to the guest and returns the reply: a view that is valid until the next call.
func (in *instance) call(ctx context.Context, n int, write func(buf []byte)) (reply []byte, err error) {
	err = in.guard.run(ctx, func(ctx context.Context) error {
		if uint64(n) > uint64(in.room) {
			if err := in.grow(ctx, n); err != nil {
				return err
			}
		}
		buf, ok := in.memory.Read(in.input, uint32(n))
		if !ok {
			return fault.FunctionReply.New("strobe_buf gave a buffer outside the memory")
		}
		write(buf)
		in.stack[0], in.stack[1] = uint64(in.input), uint64(n)
		if err := in.guard.call(ctx, in.process, in.stack[:]); err != nil {
			return err
		}
		at, size := uint32(in.stack[0]>>32), uint32(in.stack[0])
		if reply, ok = in.memory.Read(at, size); !ok {
			return fault.FunctionReply.New("strobe_process gave a reply of %d bytes at %#x, outside the memory", size, at)
		}
		return nil
	})
	return reply, err
}

// longCall is a call after which the guest gets a new call stack.
const longCall = time.Millisecond

// stackLimit is what the runtime lets a guest call stack reach before it ends the call; it may then have doubled once more.
const stackLimit = 50_000_000

// forgetStack gives back the call stack. The runtime keeps one for each function that the host calls, outside of the guest's memory and its cap;
// it grows by doubling up to 100 MB, then the call fails, and does not shrink. To write and double it up to more than a few MB takes longer
// than longCall, so only after a long call there can be something to give back.
func (in *instance) forgetStack() { in.process = in.module.ExportedFunction(abi.ExportProcess) }

// grow asks the guest for a buffer with room for at least n bytes.
func (in *instance) grow(ctx context.Context, n int) error {
	room := (n + n/4 + page) / page * page
	in.stack[0] = uint64(room)
	if err := in.guard.call(ctx, in.module.ExportedFunction(abi.ExportBuffer), in.stack[:]); err != nil {
		return err
	}
	in.input, in.room = uint32(in.stack[0]), uint32(room)
	if in.input == 0 {
		return fault.FunctionMemory.New("strobe_buf has no %s for a request", size(int64(room)))
	}
	return nil
}

// explain turns the error of a guest's end into one for people. printed is what the guest said last.
func (in *instance) explain(err error, printed string) error {
	if _, ok := fault.Of(err); ok || err == nil {
		return err
	}
	if errors.Is(err, errDeadline) {
		return fault.FunctionDeadline.New("after %v", in.guard.deadline)
	}
	// The runtime's text goes on with a stack of hundreds of lines.
	first, _, _ := strings.Cut(err.Error(), "\n")
	if strings.HasSuffix(first, "stack overflow") { // the error itself is not exported
		return fault.FunctionRecursion.New("its calls took more than %s", size(stackLimit))
	}
	if in.linear != nil && in.linear.refused {
		return fault.FunctionMemory.New("it asked for more than %s", size(int64(in.linear.limit)))
	}
	if printed != "" {
		return fault.FunctionCrashed.New("%s", printed)
	}
	var exit *sys.ExitError
	if errors.As(err, &exit) {
		return fault.FunctionCrashed.New("it ended itself with code %d", exit.ExitCode())
	}
	return fault.FunctionCrashed.New("%s", strings.TrimSuffix(first, " (recovered by wazero)"))
}

// close frees the guest; everything that was read from its memory is gone with it.
func (in *instance) close() {
	if in.module != nil {
		_ = in.module.Close(context.Background())
	}
	if in.linear != nil {
		in.linear.Free()
	}
}

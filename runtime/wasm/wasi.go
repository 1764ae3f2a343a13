package wasm

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"slices"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/strobemq/strobe/functions-sdk/abi"
)

var le = binary.LittleEndian

// started is where guests' monotonic clocks begin.
var started = time.Now()

// installWASI makes the part of WASI preview 1 that abi.WASI lists.
func (h *host) installWASI(ctx context.Context, r wazero.Runtime) error {
	b := r.NewHostModuleBuilder(abi.WASIModule)
	for _, f := range abi.WASI {
		var do api.GoModuleFunc
		if errno := uint64(f.Errno); f.Refused {
			do = func(_ context.Context, _ api.Module, stack []uint64) { stack[0] = errno }
		} else {
			do = h.wasi(f.Name)
		}
		results := []abi.ValueType{abi.I32}
		if f.Name == "proc_exit" {
			results = nil
		}
		b = b.NewFunctionBuilder().WithGoModuleFunction(do, f.Params, results).Export(f.Name)
	}
	_, err := b.Instantiate(ctx)
	return err
}

// wasi returns the implementation of an offered function. All answer an errno in stack[0].
func (h *host) wasi(name string) api.GoModuleFunc {
	switch name {
	case "args_get", "environ_get", "sched_yield":
		return func(_ context.Context, _ api.Module, stack []uint64) { answer(stack, abi.ErrnoSuccess) }
	case "args_sizes_get", "environ_sizes_get":
		return noStrings
	case "clock_res_get":
		return clockRes
	case "clock_time_get":
		return clockTime
	case "fd_fdstat_get":
		return fdStat
	case "fd_write":
		return h.fdWrite
	case "poll_oneoff":
		return poll
	case "proc_exit":
		return func(_ context.Context, _ api.Module, stack []uint64) { panic(sys.NewExitError(uint32(stack[0]))) }
	case "random_get":
		return random
	}
	panic("wasm: " + name + " is offered but not there")
}

func answer(stack []uint64, errno uint64) {
	if len(stack) != 0 {
		stack[0] = errno
	}
}

// noStrings is args_sizes_get and environ_sizes_get: a guest has neither arguments nor an environment; configuration comes through strobe.config.
func noStrings(_ context.Context, m api.Module, stack []uint64) {
	mem := m.Memory()
	if !mem.WriteUint32Le(uint32(stack[0]), 0) || !mem.WriteUint32Le(uint32(stack[1]), 0) {
		answer(stack, abi.ErrnoFault)
		return
	}
	answer(stack, abi.ErrnoSuccess)
}

// Clocks of WASI.
const (
	clockRealtime  = 0
	clockMonotonic = 1
)

func clockRes(_ context.Context, m api.Module, stack []uint64) {
	switch {
	case uint32(stack[0]) > clockMonotonic:
		answer(stack, abi.ErrnoInval)
	case !m.Memory().WriteUint64Le(uint32(stack[1]), 1000):
		answer(stack, abi.ErrnoFault)
	default:
		answer(stack, abi.ErrnoSuccess)
	}
}

func now(clock uint32) (ns uint64, ok bool) {
	switch clock {
	case clockRealtime:
		return uint64(time.Now().UnixNano()), true
	case clockMonotonic:
		return uint64(time.Since(started)), true
	}
	return 0, false
}

func clockTime(_ context.Context, m api.Module, stack []uint64) {
	ns, ok := now(uint32(stack[0]))
	switch {
	case !ok:
		answer(stack, abi.ErrnoInval)
	case !m.Memory().WriteUint64Le(uint32(stack[2]), ns):
		answer(stack, abi.ErrnoFault)
	default:
		answer(stack, abi.ErrnoSuccess)
	}
}

// fdStat describes standard input, output and error as character devices; there is nothing else.
func fdStat(_ context.Context, m api.Module, stack []uint64) {
	if uint32(stack[0]) > 2 {
		answer(stack, abi.ErrnoBadf)
		return
	}
	b, ok := m.Memory().Read(uint32(stack[1]), 24)
	if !ok {
		answer(stack, abi.ErrnoFault)
		return
	}
	const characterDevice, mayWrite = 2, 1 << 6
	clear(b)
	b[0] = characterDevice
	le.PutUint64(b[8:], mayWrite)
	answer(stack, abi.ErrnoSuccess)
}

// fdWrite takes what the guest prints into its log.
func (h *host) fdWrite(_ context.Context, m api.Module, stack []uint64) {
	print := h.logs.stdout
	switch uint32(stack[0]) {
	case 1:
	case 2:
		print = h.logs.stderr
	default:
		answer(stack, abi.ErrnoBadf)
		return
	}
	// A guest that names the same megabytes a million times would keep the host busy beyond its deadline. It may write less than it was asked to.
	const most, mostBytes = 1024, 64 << 10
	mem := m.Memory()
	written := uint32(0)
	if uint32(stack[2]) > most {
		answer(stack, abi.ErrnoInval)
		return
	}
	for i := range uint32(stack[2]) {
		iov, ok := mem.Read(uint32(stack[1])+i*8, 8)
		if !ok {
			answer(stack, abi.ErrnoFault)
			return
		}
		b, ok := mem.Read(le.Uint32(iov), le.Uint32(iov[4:]))
		if !ok {
			answer(stack, abi.ErrnoFault)
			return
		}
		b = b[:min(len(b), mostBytes-int(written))]
		print(b)
		written += uint32(len(b))
	}
	if !mem.WriteUint32Le(uint32(stack[3]), written) {
		answer(stack, abi.ErrnoFault)
		return
	}
	answer(stack, abi.ErrnoSuccess)
}

func random(ctx context.Context, m api.Module, stack []uint64) {
	b, ok := m.Memory().Read(uint32(stack[0]), uint32(stack[1]))
	if !ok {
		answer(stack, abi.ErrnoFault)
		return
	}
	for part := range slices.Chunk(b, 1<<20) {
		_, _ = rand.Read(part) // never fails
		yield(ctx, nil)
	}
	answer(stack, abi.ErrnoSuccess)
}

// Layout of poll_oneoff's subscriptions and events.
const (
	subscriptionSize = 48
	eventSize        = 32
	eventClock       = 0
	clockAbsolute    = 1
)

// poll waits for the first of the clocks that the guest subscribed to; a call that is over ends the wait. Descriptors answer at once
// that they are none.
func poll(ctx context.Context, m api.Module, stack []uint64) {
	in, out, n, result := uint32(stack[0]), uint32(stack[1]), uint32(stack[2]), uint32(stack[3])
	mem := m.Memory()
	const most = 4096
	if n == 0 || n > most {
		answer(stack, abi.ErrnoInval)
		return
	}
	subs, ok := mem.Read(in, n*subscriptionSize)
	if !ok {
		answer(stack, abi.ErrnoFault)
		return
	}
	events, ok := mem.Read(out, n*eventSize)
	if !ok {
		answer(stack, abi.ErrnoFault)
		return
	}
	wait, clocks := firstClock(subs)
	if clocks < int(n) {
		wait = 0 // a descriptor answers at once
	}
	happened := pollEvents(subs, events, wait)
	if wait > 0 {
		sleep(ctx, wait)
	}
	if !mem.WriteUint32Le(result, happened) {
		answer(stack, abi.ErrnoFault)
		return
	}
	answer(stack, abi.ErrnoSuccess)
}

// firstClock says how long it is until the first clock subscription, and how many there are.
func firstClock(subs []byte) (wait time.Duration, clocks int) {
	for ; len(subs) != 0; subs = subs[subscriptionSize:] {
		if subs[8] != eventClock {
			continue
		}
		d := clockWait(subs)
		if clocks == 0 || d < wait {
			wait = d
		}
		clocks++
	}
	return wait, clocks
}

func clockWait(sub []byte) time.Duration {
	timeout := le.Uint64(sub[24:])
	if le.Uint16(sub[40:])&clockAbsolute != 0 {
		at, _ := now(le.Uint32(sub[16:]))
		if timeout <= at {
			return 0
		}
		timeout -= at
	}
	return time.Duration(min(timeout, uint64(time.Hour)))
}

// pollEvents writes an event for each clock that comes within wait, and a refusal for each descriptor. It is called before the wait: afterwards an
// absolute time that is still to come would look as near as the wait was long.
func pollEvents(subs, events []byte, wait time.Duration) uint32 {
	n := uint32(0)
	for ; len(subs) != 0; subs = subs[subscriptionSize:] {
		kind := subs[8]
		if kind == eventClock && clockWait(subs) > wait {
			continue
		}
		e := events[n*eventSize:][:eventSize]
		clear(e)
		copy(e, subs[:8]) // userdata
		if kind != eventClock {
			le.PutUint16(e[8:], abi.ErrnoBadf)
		}
		e[10] = kind
		n++
	}
	return n
}

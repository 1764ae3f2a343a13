package wasm

import (
	"context"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/strobemq/strobe/functions-sdk/abi"
)

// host is what a guest can reach: the functions it imports act on it.
type host struct {
	config map[string]string
	logs   *guestLog
}

// badPointer ends the guest: it gave the host an address outside its memory.
type badPointer struct{ function string }

func (b badPointer) Error() string { return b.function + " was given an address outside the memory" }

// install makes the modules that guests import from.
func (h *host) install(ctx context.Context, r wazero.Runtime) error {
	b := r.NewHostModuleBuilder(abi.HostModule)
	for name, f := range map[string]api.GoModuleFunc{abi.HostLog: h.log, abi.HostConfig: h.getConfig} {
		sig := abi.Host[name]
		b = b.NewFunctionBuilder().WithGoModuleFunction(f, sig.Params, sig.Results).Export(name)
	}
	if _, err := b.Instantiate(ctx); err != nil {
		return err
	}
	if err := installYield(ctx, r); err != nil {
		return err
	}
	return h.installWASI(ctx, r)
}

// log is strobe.log(level, text, size).
func (h *host) log(_ context.Context, m api.Module, stack []uint64) {
	text, ok := m.Memory().Read(uint32(stack[1]), uint32(stack[2]))
	if !ok {
		panic(badPointer{"strobe.log"})
	}
	h.logs.line(levelOf(uint32(stack[0])), text)
}

// getConfig is strobe.config(key, key size, value, room) -> size.
func (h *host) getConfig(_ context.Context, m api.Module, stack []uint64) {
	key, ok := m.Memory().Read(uint32(stack[0]), uint32(stack[1]))
	if !ok {
		panic(badPointer{"strobe.config"})
	}
	value, set := h.config[string(key)]
	none := int32(abi.NoConfig)
	switch {
	case !set:
		stack[0] = api.EncodeI32(none)
		return
	case uint64(len(value)) <= uint64(uint32(stack[3])):
		if !m.Memory().WriteString(uint32(stack[2]), value) {
			panic(badPointer{"strobe.config"})
		}
	}
	stack[0] = api.EncodeI32(int32(len(value)))
}

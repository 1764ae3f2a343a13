package floor

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// RawGuest is the probe F6: wazero and a guest that copies records, called with a batch, without the checks, deadlines and
// message fields of the product.
type RawGuest struct {
	runtime wazero.Runtime
	memory  api.Memory
	batch   api.Function
	input   uint32
	buf     []byte
	stack   []uint64
}

// NewRawGuest instantiates the module of bench/guests/raw.
func NewRawGuest(ctx context.Context, module []byte) (*RawGuest, error) {
	g := &RawGuest{runtime: wazero.NewRuntime(ctx), stack: make([]uint64, 1)}
	wasi_snapshot_preview1.MustInstantiate(ctx, g.runtime)
	m, err := g.runtime.InstantiateWithConfig(ctx, module, wazero.NewModuleConfig().WithStartFunctions("_initialize"))
	if err != nil {
		g.runtime.Close(ctx)
		return nil, err
	}
	g.memory, g.batch = m.Memory(), m.ExportedFunction("batch")
	where, err := m.ExportedFunction("input").Call(ctx)
	if err != nil {
		g.runtime.Close(ctx)
		return nil, err
	}
	g.input = uint32(where[0])
	return g, nil
}

// Call gives the guest a batch and returns the output as it lies in the guest's memory, valid until the next call.
func (g *RawGuest) Call(ctx context.Context, records [][]byte) ([]byte, error) {
	g.buf = g.buf[:0]
	for _, r := range records {
		g.buf = binary.LittleEndian.AppendUint32(g.buf, uint32(len(r)))
		g.buf = append(g.buf, r...)
	}
	if !g.memory.Write(g.input, g.buf) {
		return nil, errors.New("the guest's memory ends before its input")
	}
	g.stack[0] = uint64(len(g.buf))
	if err := g.batch.CallWithStack(ctx, g.stack); err != nil {
		return nil, err
	}
	out, ok := g.memory.Read(uint32(g.stack[0]>>32), uint32(g.stack[0]))
	if !ok {
		return nil, errors.New("the guest's output lies outside of its memory")
	}
	return out, nil
}

// Close frees the guest.
func (g *RawGuest) Close() error { return g.runtime.Close(context.Background()) }

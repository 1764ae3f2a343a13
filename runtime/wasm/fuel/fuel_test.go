package fuel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// What functions of the modules here are made of.
const (
	i32 = 0x7f
	i64 = 0x7e
	fn  = 0x60
)

func vector(parts ...[]byte) []byte {
	return append(appendNumber(nil, uint32(len(parts))), slices.Concat(parts...)...)
}

func section(id byte, parts ...[]byte) []byte {
	body := vector(parts...)
	return append(appendNumber([]byte{id}, uint32(len(body))), body...)
}

func sized(body ...byte) []byte { return append(appendNumber(nil, uint32(len(body))), body...) }

// module is one with a memory of a page, a table of four, a global, a data and an element segment, and functions without parameters or
// results: code[i] is exported as fi.
func module(code ...[]byte) []byte {
	var functions, exports, bodies [][]byte
	for i, c := range code {
		functions = append(functions, []byte{0})
		exports = append(exports, append(appendName(nil, fmt.Sprintf("f%d", i)), kindFunction, byte(i)))
		bodies = append(bodies, sized(slices.Concat([]byte{1, 1, i32}, c, []byte{opEnd})...))
	}
	return slices.Concat([]byte(header),
		section(sectionType, []byte{fn, 0, 0}),
		section(3, functions...),
		section(sectionTable, []byte{0x70, 0, 4}),
		section(5, []byte{0, 1}),
		section(sectionGlobal, []byte{i32, 1, opI32Const, 0, opEnd}, []byte{0x70, 0, opRefFunc, 0, opEnd}),
		section(sectionExport, exports...),
		section(sectionElement, []byte{0, opI32Const, 0, opEnd, 1, 0}, []byte{5, 0x70, 1, opRefFunc, 0, opEnd}),
		[]byte{sectionDataCount, 1, 1},
		section(sectionCode, bodies...),
		section(sectionData, append([]byte{1}, sized(1, 2, 3)...)),
	)
}

// compiles says whether the runtime takes a module.
func compiles(t testing.TB, b []byte) error {
	r := wazero.NewRuntimeWithConfig(context.Background(), wazero.NewRuntimeConfigInterpreter())
	defer r.Close(context.Background())
	_, err := r.CompileModule(context.Background(), b)
	return err
}

// TestEveryInstruction: whatever the runtime takes after an opcode, the rewriter reads as long as it is. Behind `unreachable` the stack has any
// operands, so that every instruction is valid on its own.
func TestEveryInstruction(t *testing.T) {
	immediates := [][]byte{{}, {0}, {0, 0}, {0, 0, 0}, {0x40, opEnd}, {1, 0, 0}, {1, 0x7f}, {0, 0, 0, 0}, {0x70}, make([]byte, 8), make([]byte, 16)}
	var opcodes [][]byte
	for op := range 256 {
		switch op {
		case opEnd, opMore, opVector, 0x05:
		default:
			opcodes = append(opcodes, []byte{byte(op)})
		}
	}
	for sub := range uint32(20) {
		opcodes = append(opcodes, appendNumber([]byte{opMore}, sub))
	}
	for sub := range uint32(300) {
		opcodes = append(opcodes, appendNumber([]byte{opVector}, sub))
	}
	known := 0
	for _, op := range opcodes {
		for _, imm := range immediates {
			code := slices.Concat([]byte{0}, op, imm, []byte{0})
			m := module(code)
			if compiles(t, m) != nil {
				continue
			}
			known++
			out, err := Inject(m)
			if errors.Is(err, errOdd) {
				continue
			} else if err != nil {
				t.Errorf("% x % x: %v", op, imm, err)
			} else if err := compiles(t, out); err != nil {
				t.Errorf("% x % x: %v", op, imm, err)
			}
		}
	}
	if known < 400 {
		t.Errorf("only %d instructions were tried", known)
	}
}

var errOver = errors.New("over")

// run calls f0 of a rewritten module, and ends it at the given call of the host. It returns how often that was called.
func run(t *testing.T, most int, m []byte) (int, error) {
	t.Helper()
	ctx := t.Context()
	out, err := Inject(m)
	if err != nil {
		t.Fatal(err)
	}
	r := wazero.NewRuntime(ctx)
	defer r.Close(ctx)
	calls := 0
	count := api.GoFunc(func(context.Context, []uint64) {
		if calls++; calls == most {
			panic(errOver)
		}
	})
	if _, err := r.NewHostModuleBuilder(Module).NewFunctionBuilder().WithGoFunction(count, nil, nil).Export(Yield).Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	guest, err := r.Instantiate(ctx, out)
	if err != nil {
		t.Fatal(err)
	}
	_, err = guest.ExportedFunction("f0").Call(ctx)
	return calls, err
}

// fill is memory.fill of the whole page.
var fill = []byte{opI32Const, 0, opI32Const, 0, opI32Const, 0x80, 0x80, 0x04, opMore, moreMemoryFill, 0}

// TestNothingRunsForEver: whatever takes long calls the host, again and again.
func TestNothingRunsForEver(t *testing.T) {
	for name, m := range map[string][]byte{
		"a loop":             module([]byte{opLoop, emptyBlock, 0x0c, 0, opEnd}),
		"two loops":          module([]byte{opLoop, emptyBlock, opLoop, emptyBlock, 0x0c, 1, opEnd, opEnd}),
		"a loop with a call": module([]byte{opLoop, emptyBlock, opCall, 1, 0x0c, 0, opEnd}, nil),
		"filling":            module(slices.Concat([]byte{opLoop, emptyBlock}, fill, []byte{0x0c, 0, opEnd})),
		"calls of a table":   module([]byte{opLoop, emptyBlock, opI32Const, 0, opCallIndirect, 0, 0, 0x0c, 0, opEnd}),
	} {
		if calls, err := run(t, 5, m); !errors.Is(err, errOver) && name != "calls of a table" || calls == 0 && name != "calls of a table" {
			t.Errorf("%s: %d calls of the host, %v", name, calls, err)
		}
	}
}

// TestCountsWhatIsDone: the host is called as often as the work asks for, also where no loop is.
func TestCountsWhatIsDone(t *testing.T) {
	const fills = 400 // of 256 units each, one after the other
	calls, err := run(t, 1000, module(bytes.Repeat(fill, fills)))
	if want := fills * 256 / Quantum; err != nil || calls < want-1 || calls > want+2 {
		t.Errorf("%d fills: %d calls of the host, want about %d; %v", fills, calls, want, err)
	}
	// A hundred thousand times around a loop with a body of 160 instructions.
	body := bytes.Repeat([]byte{0x01}, 150)
	around := slices.Concat([]byte{opLoop, emptyBlock}, body,
		[]byte{0x20, 0, opI32Const, 1, 0x6a, 0x22, 0, opI32Const, 0xa0, 0x8d, 0x06, 0x48, 0x0d, 0, opEnd})
	calls, err = run(t, 1000, module(around))
	if want := 100_000 * (1 + len(body)/unit) / Quantum; err != nil || calls < want-want/10 || calls > want+want/5 {
		t.Errorf("a loop: %d calls of the host, want about %d; %v", calls, want, err)
	}
}

// TestFunctionsKeepTheirNumbers: calls, exports, tables and references mean the functions that they meant.
func TestFunctionsKeepTheirNumbers(t *testing.T) {
	set := func(v byte) []byte { return []byte{opI32Const, v, opGlobalSet, 0} }
	check := func(v byte) []byte {
		return []byte{opGlobalGet, 0, opI32Const, v, 0x47, opIf, emptyBlock, 0, opEnd} // unreachable unless the global is v
	}
	m := module(
		slices.Concat([]byte{opCall, 1}, check(1), []byte{opCall, 2}, check(2), []byte{opI32Const, 3, opRefFunc, 1, 0x26, 0, opI32Const, 3, opCallIndirect, 0, 0}, check(1)),
		set(1), set(2))
	if calls, err := run(t, 1, m); err != nil || calls != 0 {
		t.Errorf("%d calls of the host, %v", calls, err)
	}
}

// TestTablesAreBounded: growing a table, which is memory beyond the guest's own, ends at the bound.
func TestTablesAreBounded(t *testing.T) {
	grow := func(n int32) []byte {
		return slices.Concat([]byte{opRefNull, 0x70}, appendSigned([]byte{opI32Const}, n), []byte{opMore, moreTableGrow, 0})
	}
	refused := []byte{opI32Const, 0x7f, 0x47, opIf, emptyBlock, 0, opEnd} // unreachable unless -1
	fine := []byte{opI32Const, 0x7f, 0x46, opIf, emptyBlock, 0, opEnd}    // unreachable if -1
	if _, err := run(t, 1000, module(slices.Concat(grow(maxTable-4), fine, grow(1), refused))); err != nil {
		t.Error(err)
	}
	big := bytes.Replace(module(nil), []byte{0x70, 0, 4}, append([]byte{0x70, 0}, appendNumber(nil, maxTable+1)...), 1)
	big = bytes.Replace(big, []byte{sectionTable, 4}, []byte{sectionTable, 6}, 1)
	if _, err := Inject(big); !errors.Is(err, ErrTables) {
		t.Errorf("a table of %d: %v", maxTable+1, err)
	}
}

func TestOwnImportIsRefused(t *testing.T) {
	imports := section(sectionImport, append(appendName(appendName(nil, Module), Yield), kindFunction, 0))
	m := slices.Concat([]byte(header), section(sectionType, []byte{fn, 0, 0}), imports, section(3, []byte{0}), section(sectionCode, sized(0, opEnd)))
	if err := compiles(t, m); err != nil {
		t.Fatal(err)
	}
	if _, err := Inject(m); !errors.Is(err, ErrImport) {
		t.Error(err)
	}
}

// FuzzInject: nothing makes the rewriter panic or write without end, and what the runtime takes it takes after rewriting too.
func FuzzInject(f *testing.F) {
	f.Add(module([]byte{opLoop, emptyBlock, 0x0c, 0, opEnd}))
	f.Add(module(fill, []byte{opCall, 0, opRefFunc, 1, 0x1a}))
	f.Add([]byte(header))
	files, _ := filepath.Glob("../testdata/*.wasm")
	for _, file := range files {
		if b, err := os.ReadFile(file); err == nil && len(b) < 1<<16 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		out, err := Inject(b)
		if len(out) > 64*len(b)+256 {
			t.Fatalf("%d bytes became %d", len(b), len(out))
		}
		// What is refused does not reach the runtime, and should not: it makes room for whatever it is told of before it looks.
		if err != nil || compiles(t, b) != nil {
			return
		}
		if err := compiles(t, out); err != nil {
			t.Fatalf("rewritten it is not valid: %v", err)
		}
	})
}

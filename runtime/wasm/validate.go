package wasm

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/strobemq/strobe/functions-sdk/abi"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/wasm/fuel"
)

// Info is what Validate found out about a module.
type Info struct {
	SHA256      string
	Size        int64
	ABI         int      // version it was built for
	MemoryBytes int64    // what it asks for at its start
	Imports     []string // "module.function", sorted
}

// Validate checks everything that can be checked before the first message, with memoryBytes as the memory cap (0: the default): the format, imports, entry
// points, memory, and that a guest starts and answers the right ABI version. The error is a *fault.Error that says what is wrong. With a
// CacheDir the compiled module is on disk afterwards. It runs the module's own initialisation, under the cap and a deadline.
func (e *Engine) Validate(ctx context.Context, module []byte, memoryBytes int64) (Info, error) {
	p, err := e.New(ctx, module, Options{MemoryBytes: memoryBytes})
	if err != nil {
		return Info{}, err
	}
	defer p.Close()
	info := Info{
		SHA256:      Hash(module),
		Size:        int64(len(module)),
		ABI:         abi.Version,
		MemoryBytes: int64(p.program.compiled.ExportedMemories()[abi.ExportMemory].Min()) * page,
	}
	for _, f := range p.program.compiled.ImportedFunctions() {
		m, n, _ := f.Import()
		if m == fuel.Module {
			continue
		}
		info.Imports = append(info.Imports, m+"."+n)
	}
	slices.Sort(info.Imports)
	info.Imports = slices.Compact(info.Imports)
	return info, nil
}

var (
	moduleHeader    = []byte{0, 'a', 's', 'm', 1, 0, 0, 0}
	componentHeader = []byte{0, 'a', 's', 'm', 0x0d, 0, 1, 0}
)

// checkHeader tells a module from a component and from anything else.
func checkHeader(b []byte) error {
	switch {
	case bytes.HasPrefix(b, moduleHeader):
		return nil
	case bytes.HasPrefix(b, componentHeader):
		return fault.FunctionComponent.New("")
	case bytes.HasPrefix(b, moduleHeader[:4]) && len(b) >= len(moduleHeader):
		return fault.FunctionDamaged.New("version %#x of the binary format is unknown", b[4:8])
	case bytes.HasPrefix(b, moduleHeader[:4]):
		return fault.FunctionDamaged.New("it ends after %d bytes", len(b))
	case len(b) == 0:
		return fault.FunctionNotWasm.New("it is empty")
	}
	return fault.FunctionNotWasm.New("it begins with %q", b[:min(len(b), 8)])
}

// checkModule checks what a module asks for and what it offers.
func checkModule(module []byte, c wazero.CompiledModule, memoryBytes int64) error {
	if err := checkImports(module, c); err != nil {
		return err
	}
	if err := checkExports(c); err != nil {
		return err
	}
	if lowest := int64(c.ExportedMemories()[abi.ExportMemory].Min()) * page; lowest > memoryBytes {
		return fault.FunctionMemoryMinimum.New("it starts with %s, and may have %s", size(lowest), size(memoryBytes))
	}
	return nil
}

func checkImports(module []byte, c wazero.CompiledModule) error {
	var missing []string
	offered := offeredFunctions()
	for _, f := range c.ImportedFunctions() {
		module, name, _ := f.Import()
		want, ok := offered[module+"."+name]
		switch {
		case module == fuel.Module: // it was put there
		case !ok:
			missing = append(missing, module+"."+name)
		case !slices.Equal(f.ParamTypes(), want.Params) || !slices.Equal(f.ResultTypes(), want.Results):
			missing = append(missing, fmt.Sprintf("%s.%s with another type %s", module, name, signature(f)))
		}
	}
	missing = append(missing, otherImports(module)...)
	if len(missing) != 0 {
		slices.Sort(missing)
		return fault.FunctionImports.New("%s", strings.Join(slices.Compact(missing), ", "))
	}
	return nil
}

func offeredFunctions() map[string]abi.Signature {
	all := map[string]abi.Signature{}
	for name, s := range abi.Host {
		all[abi.HostModule+"."+name] = s
	}
	for _, f := range abi.WASI {
		s := abi.Signature{Params: f.Params, Results: []abi.ValueType{abi.I32}}
		if f.Name == "proc_exit" {
			s.Results = nil
		}
		all[abi.WASIModule+"."+f.Name] = s
	}
	return all
}

func checkExports(c wazero.CompiledModule) error {
	var wrong []string
	functions := c.ExportedFunctions()
	if c.ExportedMemories()[abi.ExportMemory] == nil {
		wrong = append(wrong, "no "+abi.ExportMemory)
	}
	for name, want := range abi.Exports {
		f := functions[name]
		switch {
		case f == nil:
			wrong = append(wrong, "no "+name)
		case !slices.Equal(f.ParamTypes(), want.Params) || !slices.Equal(f.ResultTypes(), want.Results):
			wrong = append(wrong, fmt.Sprintf("%s has the type %s", name, signature(f)))
		}
	}
	if f := functions[abi.ExportInitialize]; f != nil && (len(f.ParamTypes()) != 0 || len(f.ResultTypes()) != 0) {
		wrong = append(wrong, fmt.Sprintf("%s has the type %s", abi.ExportInitialize, signature(f)))
	}
	if functions["_start"] != nil {
		wrong = append(wrong, "it is a command (_start), not a library")
	}
	if len(wrong) != 0 {
		slices.Sort(wrong)
		return fault.FunctionEntryPoints.New("%s", strings.Join(wrong, ", "))
	}
	return nil
}

func signature(f api.FunctionDefinition) string {
	list := func(types []api.ValueType) string {
		var names []string
		for _, t := range types {
			names = append(names, api.ValueTypeName(t))
		}
		return "(" + strings.Join(names, " ") + ")"
	}
	return list(f.ParamTypes()) + "->" + list(f.ResultTypes())
}

// size writes a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d KiB", n>>10)
}

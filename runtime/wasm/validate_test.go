package wasm

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/functions-sdk/abi"
	"github.com/strobemq/strobe/internal/fault"
)

func TestValidate(t *testing.T) {
	info, err := testEngine.Validate(t.Context(), unrulyGuest, 0)
	if err != nil {
		t.Fatal(err)
	}
	if info.SHA256 != Hash(unrulyGuest) || info.Size != int64(len(unrulyGuest)) || info.ABI != abi.Version || info.MemoryBytes < 1<<20 {
		t.Errorf("info %+v", info)
	}
	if !slices.Contains(info.Imports, "strobe.log") || !slices.Contains(info.Imports, "wasi_snapshot_preview1.fd_write") {
		t.Errorf("imports %v", info.Imports)
	}
	if _, err := testEngine.Validate(t.Context(), good().bytes(), 0); err != nil {
		t.Errorf("the handmade module: %v", err)
	}
}

// What is wrong with a module is said when it is uploaded, each thing with its own code.
func TestRefusedModules(t *testing.T) {
	with := func(change func(*handmade)) []byte {
		h := good()
		change(&h)
		return h.bytes()
	}
	for name, c := range map[string]struct {
		module []byte
		fault  *fault.Fault
		detail string
	}{
		"empty":                   {nil, fault.FunctionNotWasm, "empty"},
		"a JAR":                   {[]byte("PK\x03\x04 and so on"), fault.FunctionNotWasm, `PK\x03\x04`},
		"text":                    {[]byte("(module)"), fault.FunctionNotWasm, "(module)"},
		"a component":             {append([]byte{0, 'a', 's', 'm', 0x0d, 0, 1, 0}, 7, 3, 1, 0x41, 0), fault.FunctionComponent, ""},
		"the beginning":           {good().bytes()[:6], fault.FunctionDamaged, "ends after 6 bytes"},
		"cut off":                 {good().bytes()[:60], fault.FunctionDamaged, ""},
		"of the future":           {[]byte{0, 'a', 's', 'm', 2, 0, 0, 0}, fault.FunctionDamaged, "version"},
		"counts beyond its bytes": {cat(good().bytes()[:8], []byte{9, 7, 0xff, 0xff, 0xff, 0xff, 7, 0, 0}), fault.FunctionDamaged, "do not fit together"},
		"ill-typed":               {with(func(h *handmade) { h.process = []byte{0x41, 0} }), fault.FunctionDamaged, ""},

		"imports of another host": {with(func(h *handmade) { h.imports = []string{"env.print:i>", "env.abort:iiii>"} }), fault.FunctionImports, "env.abort, env.print"},
		"sockets":                 {with(func(h *handmade) { h.imports = []string{"wasi_snapshot_preview1.sock_accept:iii>i"} }), fault.FunctionImports, "sock_accept"},
		"another type":            {with(func(h *handmade) { h.imports = []string{"strobe.log:ll>"} }), fault.FunctionImports, "strobe.log with another type (i64 i64)->()"},
		"what is put in":          {with(func(h *handmade) { h.imports = []string{"strobe.fuel.yield:>"} }), fault.FunctionImports, "strobe.fuel"},
		"imported memory":         {with(func(h *handmade) { h.memory = "env.memory" }), fault.FunctionImports, "memory env.memory"},
		"imported global":         {with(func(h *handmade) { h.global, h.imports = "env.g", []string{"strobe.log:iii>"} }), fault.FunctionImports, "global env.g"},

		"no entry point": {with(func(h *handmade) { h.hidden = []string{"strobe_process", "memory"} }), fault.FunctionEntryPoints, "no memory, no strobe_process"},
		"wrong type":     {with(func(h *handmade) { h.types = map[string]string{"strobe_buf": "l>l"} }), fault.FunctionEntryPoints, "strobe_buf has the type (i64)->(i64)"},
		"a command":      {with(func(h *handmade) { h.start = true }), fault.FunctionEntryPoints, "it is a command"},
		"typed _initialize": {with(func(h *handmade) {
			h.initialize, h.types = []byte{}, map[string]string{"_initialize": "i>"}
		}), fault.FunctionEntryPoints, "_initialize has the type"},

		"another ABI":      {with(func(h *handmade) { h.abi = 77 }), fault.FunctionABI, "the module's is 77"},
		"no handler":       {with(func(h *handmade) { h.abi = 0 }), fault.FunctionNoHandler, ""},
		"too much memory":  {with(func(h *handmade) { h.pages = 2049 }), fault.FunctionMemoryMinimum, "starts with 128.1 MiB, and may have 128 MiB"},
		"crashes at start": {with(func(h *handmade) { h.initialize = []byte{0x00} }), fault.FunctionStart, "unreachable"},
	} {
		_, err := testEngine.Validate(t.Context(), c.module, 0)
		if !fault.Has(err, c.fault) || !strings.Contains(err.Error(), c.detail) {
			t.Errorf("%s: %v, want %s with %q", name, err, c.fault.Code, c.detail)
		}
	}
}

// A guest that answers nonsense is thrown away, and nothing of what it said is believed.
func TestNonsense(t *testing.T) {
	in := records("x")
	huge := uint64(1)<<32 | 0xffffffff
	for name, c := range map[string]struct {
		change func(*handmade)
		detail string
	}{
		"reply outside the memory": {func(h *handmade) { h.reply = huge }, "outside the memory"},
		"reply that runs out":      {func(h *handmade) { h.reply = uint64(2*page-4)<<32 | 8 }, "outside the memory"},
		"buffer outside":           {func(h *handmade) { h.buf = 2*page - 8 }, "buffer outside the memory"},
		"empty reply":              {func(h *handmade) { h.reply = 0 }, "shorter than its header"},
		"too few statuses":         {func(h *handmade) { h.data = okReply(0); h.reply = 8 }, "0 statuses for 1 records"},
		"a size below zero":        {func(h *handmade) { h.reply = 0x80000000 }, "outside the memory"},
		"counts below zero":        {func(h *handmade) { h.data = []byte("\xff\xff\xff\xff\xff\xff\xff\xff"); h.reply = 8 }, "4294967295 statuses"},
		"a text longer than all":   {func(h *handmade) { h.data = cat(okReply(1)[:12], []byte("\xff\xff\xff\xff")); h.reply = 16 }, "text of 4294967295 bytes"},
		"outputs that are not":     {func(h *handmade) { h.data[4] = 200 }, "reply of 200 outputs has only 0 bytes"},
		"more behind the end":      {func(h *handmade) { h.reply += 4 }, "4 bytes after the last output"},
		"a reply in the request":   {func(h *handmade) { h.reply = uint64(h.buf)<<32 | 64 }, "statuses for 1 records"},
		"garbage":                  {func(h *handmade) { h.data = []byte(strings.Repeat("garbage ", 100)); h.reply = 800 }, "statuses"},
	} {
		h := good()
		c.change(&h)
		p, err := testEngine.New(t.Context(), h.bytes(), Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for range 2 {
			out, res, err := p.Process(t.Context(), in)
			if !fault.Has(err, fault.FunctionReply) || !strings.Contains(err.Error(), c.detail) || out != nil || res != nil {
				t.Errorf("%s: %v %v %v, want %q", name, out, res, err, c.detail)
			}
		}
		if n := p.Metrics().Starts.Load(); n != 2 {
			t.Errorf("%s: %d guests for two calls", name, n)
		}
		p.Close()
		p.Close()
	}

	h := good()
	h.buf = 0
	p, err := testEngine.New(t.Context(), h.bytes(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, _, err := p.Process(t.Context(), in); !fault.Has(err, fault.FunctionMemory) {
		t.Errorf("no buffer: %v", err)
	}
}

// Guests of other languages crash in other ways than Go's.
func TestTraps(t *testing.T) {
	for name, c := range map[string]struct {
		process  []byte
		deadline time.Duration
		fault    *fault.Fault
		detail   string
	}{
		"unreachable":      {[]byte{0x00}, time.Minute, fault.FunctionCrashed, "unreachable"},
		"division by zero": {[]byte{0x41, 1, 0x41, 0, 0x6d, 0xac}, time.Minute, fault.FunctionCrashed, "divide by zero"},
		"outside memory":   {[]byte{0x41, 0x7f, 0x28, 0, 0, 0xac}, time.Minute, fault.FunctionCrashed, "out of bounds"},
		"endless loop":     {[]byte{0x03, 0x40, 0x0c, 0, 0x0b, 0x00}, 50 * time.Millisecond, fault.FunctionDeadline, "after 50ms"},
	} {
		h := good()
		h.process = c.process
		p, err := testEngine.New(t.Context(), h.bytes(), Options{Deadline: c.deadline})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for range 2 { // the second call finds a fresh guest
			if _, _, err := p.Process(t.Context(), records("x")); !fault.Has(err, c.fault) || !strings.Contains(err.Error(), c.detail) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %v, want %s with %q", name, err, c.fault.Code, c.detail)
			}
		}
		p.Close()
	}
}

// A guest may give the host any address; an address that is none ends the guest, not the host.
func TestBadPointers(t *testing.T) {
	wasi := "wasi_snapshot_preview1."
	far := []byte{0x41, 0x7f} // i32.const -1
	for _, c := range []struct {
		imp   string
		args  []byte
		drop  bool
		errno int32 // answered; -1: the guest ends
	}{
		{"strobe.log:iii>", cat([]byte{0x41, 1}, far, []byte{0x41, 8}), false, -1},
		{"strobe.config:iiii>i", cat(far, []byte{0x41, 8, 0x41, 0, 0x41, 0}), true, -1},
		{wasi + "fd_write:iiii>i", cat([]byte{0x41, 1}, far, []byte{0x41, 1, 0x41, 0}), true, abi.ErrnoFault},
		{wasi + "fd_write:iiii>i", []byte{0x41, 9, 0x41, 0, 0x41, 0, 0x41, 0}, true, abi.ErrnoBadf},
		{wasi + "fd_write:iiii>i", cat([]byte{0x41, 1, 0x41, 0}, far, []byte{0x41, 0}), true, abi.ErrnoInval},
		{wasi + "random_get:ii>i", cat(far, []byte{0x41, 8}), true, abi.ErrnoFault},
		{wasi + "clock_time_get:ili>i", cat([]byte{0x41, 0, 0x42, 0}, far), true, abi.ErrnoFault},
		{wasi + "clock_time_get:ili>i", []byte{0x41, 9, 0x42, 0, 0x41, 0}, true, abi.ErrnoInval},
		{wasi + "clock_res_get:ii>i", cat([]byte{0x41, 0}, far), true, abi.ErrnoFault},
		{wasi + "args_sizes_get:ii>i", cat(far, far), true, abi.ErrnoFault},
		{wasi + "fd_fdstat_get:ii>i", cat([]byte{0x41, 1}, far), true, abi.ErrnoFault},
		{wasi + "fd_fdstat_get:ii>i", []byte{0x41, 3, 0x41, 0}, true, abi.ErrnoBadf},
		{wasi + "poll_oneoff:iiii>i", cat(far, []byte{0x41, 0, 0x41, 1, 0x41, 0}), true, abi.ErrnoFault},
		{wasi + "poll_oneoff:iiii>i", cat([]byte{0x41, 0, 0x41, 0}, far, []byte{0x41, 0}), true, abi.ErrnoInval},
		{wasi + "path_open:iiiiillii>i", []byte{0x41, 3, 0x41, 0, 0x41, 0, 0x41, 0, 0x41, 0, 0x42, 0, 0x42, 0, 0x41, 0, 0x41, 0}, true, abi.ErrnoBadf},
	} {
		h := good()
		h.imports = []string{c.imp}
		// The answer becomes the reply's size, so that the error names it.
		h.process = cat(c.args, []byte{0x10, 0})
		if c.drop {
			h.process = cat(h.process, []byte{0xac}, []byte{0x42}, sleb(int64(1)<<62), []byte{0x84}) // extend, or with an address outside
		} else {
			h.process = cat(h.process, []byte{0x42, 0})
		}
		p, err := testEngine.New(t.Context(), h.bytes(), Options{})
		if err != nil {
			t.Errorf("%s: %v", c.imp, err)
			continue
		}
		_, _, err = p.Process(t.Context(), records("x"))
		want, detail := fault.FunctionReply, "reply of "+strconv.Itoa(int(c.errno))+" bytes"
		if c.errno < 0 {
			want, detail = fault.FunctionCrashed, "outside the memory"
		}
		if !fault.Has(err, want) || !strings.Contains(err.Error(), detail) {
			t.Errorf("%s: %v, want %q", c.imp, err, detail)
		}
		p.Close()
	}
}

// Two processors of one module share what is compiled and nothing else.
func TestProcessorsShareAModule(t *testing.T) {
	e := NewEngine(EngineOptions{})
	module := good().bytes()
	a, err := e.New(t.Context(), module, Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := e.New(t.Context(), module, Options{})
	if err != nil {
		t.Fatal(err)
	}
	a.Close()
	if _, res, err := b.Process(t.Context(), records("x")); err != nil || res[0].Verdict != connectors.Accept {
		t.Errorf("after the other was closed: %v %v", res, err)
	}
	b.Close()
	if len(e.caches) != 0 {
		t.Error("the module is kept")
	}
}

func FuzzImports(f *testing.F) {
	h := good()
	h.imports, h.global, h.memory = []string{"a.b:ii>l"}, "env.g", "env.memory"
	f.Add(h.bytes())
	f.Add([]byte{0, 'a', 's', 'm', 1, 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff, 0x0f, 1})
	f.Fuzz(func(t *testing.T, module []byte) {
		for _, name := range otherImports(module) {
			if len(name) > len(module)+len("function .") {
				t.Errorf("%d bytes name %q", len(module), name)
			}
		}
	})
}

package wasm

import (
	"encoding/binary"
	"slices"

	"github.com/strobemq/strobe/functions-sdk/abi"
)

// handmade is a module put together by hand: a guest that answers the same to every request. The zero value works as a function with the reply at 0,
// of no bytes; tests change what they want wrong.
type handmade struct {
	abi        int32
	buf        int32 // what strobe_buf answers
	reply      uint64
	data       []byte // lies at 0
	pages      uint32
	hidden     []string          // exports left out
	types      map[string]string // other types of exports, as "params>results" in i and l
	imports    []string          // module.name:params>results
	memory     string            // module.name: the memory is imported
	global     string            // module.name: an imported global
	initialize []byte            // body of _initialize; nil: none
	start      bool              // exports _start too
	begins     bool              // _initialize is the start function of the format too
	process    []byte            // body of strobe_process, instead of answering reply
}

// good is a module that answers a request of one record: done.
func good() handmade {
	return handmade{abi: abi.Version, buf: 4096, pages: 2, data: okReply(1), reply: uint64(len(okReply(1)))}
}

// okReply is a reply that accepts n records without outputs.
func okReply(n int) []byte {
	b := make([]byte, abi.ReplyHeader+n*abi.StatusFixed)
	le.PutUint32(b, uint32(n))
	return b
}

func (h handmade) bytes() []byte {
	var types, imports, functions, exports, codes [][]byte
	addType := func(sig string) []byte {
		t := wasmType(sig)
		i := slices.IndexFunc(types, func(have []byte) bool { return string(have) == string(t) })
		if i < 0 {
			i = len(types)
			types = append(types, t)
		}
		return uleb(uint64(i))
	}
	for _, imp := range h.imports {
		name, sig, _ := cutLast(imp, ':')
		module, field, _ := cutLast(name, '.')
		imports = append(imports, cat(text(module), text(field), []byte{0}, addType(sig)))
	}
	first := uint64(len(imports))
	if h.global != "" {
		module, field, _ := cutLast(h.global, '.')
		imports = append(imports, cat(text(module), text(field), []byte{3, 0x7f, 0}))
	}
	if h.memory != "" {
		module, field, _ := cutLast(h.memory, '.')
		imports = append(imports, cat(text(module), text(field), []byte{2, 0}, uleb(uint64(h.pages))))
	}
	export := func(name, sig string, body []byte) {
		if other := h.types[name]; other != "" {
			sig, body = other, []byte{0x00} // unreachable
		}
		if !slices.Contains(h.hidden, name) {
			exports = append(exports, cat(text(name), []byte{0}, uleb(first+uint64(len(functions)))))
		}
		functions = append(functions, addType(sig))
		body = cat([]byte{0}, body, []byte{0x0b})
		codes = append(codes, cat(uleb(uint64(len(body))), body))
	}
	process := h.process
	if process == nil {
		process = cat([]byte{0x42}, sleb(int64(h.reply)))
	}
	export(abi.ExportABI, ">i", cat([]byte{0x41}, sleb(int64(h.abi))))
	export(abi.ExportBuffer, "i>i", cat([]byte{0x41}, sleb(int64(h.buf))))
	export(abi.ExportProcess, "ii>l", process)
	initialize := first + uint64(len(functions))
	if h.initialize != nil {
		export(abi.ExportInitialize, ">", h.initialize)
	}
	if h.start {
		export("_start", ">", nil)
	}
	if !slices.Contains(h.hidden, abi.ExportMemory) {
		exports = append(exports, cat(text(abi.ExportMemory), []byte{2, 0}))
	}
	out := []byte{0, 'a', 's', 'm', 1, 0, 0, 0}
	out = append(out, section(1, types)...)
	out = append(out, section(2, imports)...)
	out = append(out, section(3, functions)...)
	if h.memory == "" {
		out = append(out, section(5, [][]byte{cat([]byte{0}, uleb(uint64(h.pages)))})...)
	}
	out = append(out, section(7, exports)...)
	if h.begins {
		out = append(out, cat([]byte{8}, uleb(uint64(len(uleb(initialize)))), uleb(initialize))...)
	}
	out = append(out, section(10, codes)...)
	if len(h.data) > 0 {
		out = append(out, section(11, [][]byte{cat([]byte{0, 0x41, 0, 0x0b}, uleb(uint64(len(h.data))), h.data)})...)
	}
	return out
}

func wasmType(sig string) []byte {
	params, results, _ := cutLast(sig, '>')
	list := func(s string) []byte {
		out := uleb(uint64(len(s)))
		for _, c := range s {
			out = append(out, map[rune]byte{'i': 0x7f, 'l': 0x7e, 'f': 0x7d}[c])
		}
		return out
	}
	return cat([]byte{0x60}, list(params), list(results))
}

func section(id byte, parts [][]byte) []byte {
	if len(parts) == 0 {
		return nil
	}
	body := uleb(uint64(len(parts)))
	for _, p := range parts {
		body = append(body, p...)
	}
	return cat([]byte{id}, uleb(uint64(len(body))), body)
}

func cutLast(s string, sep byte) (before, after string, ok bool) {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == sep {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

func text(s string) []byte { return append(uleb(uint64(len(s))), s...) }

func uleb(v uint64) []byte { return binary.AppendUvarint(nil, v) }

func sleb(v int64) []byte {
	var b []byte
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

func cat(parts ...[]byte) []byte { return slices.Concat(parts...) }

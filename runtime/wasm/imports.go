package wasm

import "encoding/binary"

// Kinds of imports in the binary format.
const (
	importFunction = 0
	importTable    = 1
	importMemory   = 2
	importGlobal   = 3
)

var importKinds = [...]string{"function", "table", "memory", "global"}

// otherImports lists what a module imports beside functions, as "kind module.name": the runtime does not tell. module has been
// compiled, so it is well-formed; what cannot be read is left out.
func otherImports(module []byte) []string {
	const header, importSection = 8, 2
	r := reader{left: module[min(header, len(module)):]}
	for !r.failed && len(r.left) > 0 {
		id := r.byte()
		body := r.bytes(r.number())
		if id == importSection {
			return readImports(body)
		}
	}
	return nil
}

func readImports(section []byte) (list []string) {
	r := reader{left: section}
	for n := r.number(); n > 0 && !r.failed; n-- {
		module, name, kind := r.bytes(r.number()), r.bytes(r.number()), r.byte()
		switch kind {
		case importFunction:
			r.number()
		case importTable:
			r.byte()
			r.limits()
		case importMemory:
			r.limits()
		case importGlobal:
			r.bytes(2)
		default:
			return list // of a proposal that is not run
		}
		if kind != importFunction && !r.failed {
			list = append(list, importKinds[kind]+" "+string(module)+"."+string(name))
		}
	}
	return list
}

// reader reads the binary format; once something is missing it has failed and reads zeros.
type reader struct {
	left   []byte
	failed bool
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.left)) {
		r.left, r.failed = nil, true
		return nil
	}
	b := r.left[:n]
	r.left = r.left[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// number reads an unsigned LEB128 number.
func (r *reader) number() uint64 {
	v, n := binary.Uvarint(r.left)
	if n <= 0 {
		r.left, r.failed = nil, true
		return 0
	}
	r.left = r.left[n:]
	return v
}

// limits reads a minimum, and a maximum if the flag says so.
func (r *reader) limits() {
	flags := r.byte()
	r.number()
	if flags&1 != 0 {
		r.number()
	}
}

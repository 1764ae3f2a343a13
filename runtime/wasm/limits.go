package wasm

import (
	"fmt"
	"time"

	"github.com/strobemq/strobe/internal/fault"
)

// Bounds of a module. What the runtime makes of an element of a section takes up to a hundred times the element's bytes, outside of the guest's
// memory; the largest functions in Go are far below all of these.
const (
	maxModule = 64 << 20
	maxBody   = 1 << 20 // bytes of one function: the compiler cannot be stopped within one
	maxLocals = 8 << 20 // of all functions together; three bytes declare four billion
	maxData   = 1 << 16 // segments
)

// compileTime is how long a module may be compiled. A Go function takes about two seconds of a core for each MiB.
const compileTime = 5 * time.Minute

// Identifiers of sections.
const (
	codeSection = 10
	dataSection = 11
)

// sectionBytes bounds the sections whose elements are small.
var sectionBytes = map[byte]int{
	1: 1 << 20,   // types
	2: 1 << 20,   // imports
	3: 512 << 10, // functions, by the index of their type
	4: 64 << 10,  // tables
	5: 64 << 10,  // memories
	6: 1 << 20,   // globals
	7: 4 << 20,   // exports
	9: 4 << 20,   // elements of tables
}

// checkLimits refuses a module that would take more memory or time to compile than is reasonable. What it cannot read is left to the
// compiler to refuse.
func checkLimits(module []byte) error {
	tooLarge := func(format string, args ...any) error { return fault.FunctionTooLarge.New(format, args...) }
	if len(module) > maxModule {
		return tooLarge("it has %s, and may have %s", size(int64(len(module))), size(maxModule))
	}
	r := reader{left: module[min(len(moduleHeader), len(module)):]}
	for !r.failed && len(r.left) > 0 {
		id := r.byte()
		body := r.bytes(r.number())
		if most, bounded := sectionBytes[id]; bounded && len(body) > most {
			return tooLarge("section %d has %s, and may have %s", id, size(int64(len(body))), size(int64(most)))
		}
		switch id {
		case codeSection:
			if err := checkCode(body); err != nil {
				return tooLarge("%w", err)
			}
		case dataSection:
			if n := (&reader{left: body}).number(); n > maxData {
				return tooLarge("it has %d data segments, and may have %d", n, maxData)
			}
		}
	}
	return nil
}

func checkCode(section []byte) error {
	r := reader{left: section}
	all := uint64(0)
	for n := r.number(); n > 0 && !r.failed; n-- {
		body := r.bytes(r.number())
		if len(body) > maxBody {
			return fmt.Errorf("a function has %s, and may have %s", size(int64(len(body))), size(maxBody))
		}
		f := reader{left: body}
		for groups := f.number(); groups > 0 && !f.failed; groups-- {
			locals := f.number()
			f.byte()
			if all += min(locals, maxLocals+1); all > maxLocals {
				return fmt.Errorf("its functions have more than %d local variables", maxLocals)
			}
		}
	}
	return nil
}

package fuel

import (
	"bytes"
	"errors"
)

// Module and Yield name the function that a rewritten module imports: no parameters, no results. Instantiate it beside the other host
// functions; it may panic to end the guest.
const (
	Module = "strobe.fuel"
	Yield  = "yield"
)

// maxTable bounds what all tables of a module may hold, in elements: the runtime keeps each as a word outside of the guest's memory.
const maxTable = 1 << 20

// ErrTables says that a module begins with more than maxTable elements in its tables.
var ErrTables = errors.New("its tables have more than 1048576 elements")

// ErrImport says that a module imports what is only put there.
var ErrImport = errors.New("it imports " + Module + ", which is not for modules")

// Identifiers of sections, in the binary format's order.
const (
	sectionCustom    = 0
	sectionType      = 1
	sectionImport    = 2
	sectionFunction  = 3
	sectionTable     = 4
	sectionMemory    = 5
	sectionGlobal    = 6
	sectionExport    = 7
	sectionStart     = 8
	sectionElement   = 9
	sectionCode      = 10
	sectionData      = 11
	sectionDataCount = 12
)

// order is that in which sections stand.
var order = [...]byte{
	sectionType, sectionImport, sectionFunction, sectionTable, sectionMemory, sectionGlobal, sectionExport, sectionStart,
	sectionElement, sectionDataCount, sectionCode, sectionData,
}

// Kinds of imports and exports.
const (
	kindFunction = 0
	kindTable    = 1
	kindMemory   = 2
	kindGlobal   = 3
)

const header = "\x00asm\x01\x00\x00\x00"

// Inject returns the module with its counting. A module that Inject takes need not be valid: what it does not look at it copies, and the compiler
// has still to check it. One that is valid with the features of WebAssembly 2.0 is never refused, unless for its tables, and does what
// it did.
func Inject(module []byte) ([]byte, error) {
	sections, err := split(module)
	if err != nil {
		return nil, err
	}
	w := rewriter{sections: sections}
	if err := w.count(); err != nil {
		return nil, err
	}
	out := append(make([]byte, 0, len(module)+len(module)/4), header...)
	for _, id := range order {
		body, err := w.rewrite(id, sections[id])
		if err != nil {
			return nil, err
		}
		if body != nil {
			out = append(appendNumber(append(out, id), uint32(len(body))), body...)
		}
	}
	return out, nil
}

// split finds the sections; custom ones are left out. Each stands once, in order.
func split(module []byte) (sections [sectionDataCount + 1][]byte, err error) {
	if !bytes.HasPrefix(module, []byte(header)) {
		return sections, errMalformed
	}
	r := reader{all: module[len(header):]}
	last := -1
	for r.more() {
		id := r.byte()
		body := r.name()
		if r.err != nil {
			break
		}
		if id == sectionCustom {
			continue
		}
		at := bytes.IndexByte(order[:], id)
		if at <= last {
			return sections, errLayout
		}
		last, sections[id] = at, body
	}
	if r.err != nil {
		return sections, r.err
	}
	return sections, nil
}

// rewriter changes one module.
type rewriter struct {
	sections [sectionDataCount + 1][]byte
	counter  counter
	yieldsAs uint32 // index of the type of the host's function
}

// count finds out which indices the new things get.
func (w *rewriter) count() error {
	types, err := vectorOf(w.sections[sectionType], func(r *reader) {
		r.byte()
		r.name()
		r.name()
	})
	if err != nil {
		return err
	}
	w.yieldsAs = types
	var functions, globals uint32
	ours := false
	_, err = vectorOf(w.sections[sectionImport], func(r *reader) {
		ours = ours || string(r.name()) == Module
		r.name()
		switch r.byte() {
		case kindFunction:
			r.number()
			functions++
		case kindTable:
			r.byte()
			r.limits()
		case kindMemory:
			r.limits()
		case kindGlobal:
			r.bytes(2)
			globals++
		default:
			r.fail(errMalformed)
		}
	})
	if err != nil {
		return err
	}
	g := reader{all: w.sections[sectionGlobal]}
	if len(g.all) != 0 {
		globals += g.count()
	}
	if g.err != nil {
		return g.err
	}
	if ours {
		return ErrImport
	}
	w.counter = counter{yield: functions, fuel: globals, scratch: globals + 1}
	return nil
}

// rewrite returns a section as it is in the new module; nil: there is none.
func (w *rewriter) rewrite(id byte, section []byte) ([]byte, error) {
	c := w.counter
	switch id {
	case sectionType:
		return extend(section, 1, 0x60, 0, 0)
	case sectionImport:
		add := append(appendName(appendName(nil, Module), Yield), kindFunction)
		return extend(section, 1, appendNumber(add, w.yieldsAs)...)
	case sectionTable:
		return tables(section)
	case sectionGlobal:
		moved, err := c.globals(section)
		if err != nil {
			return nil, err
		}
		const i32, variable = 0x7f, 1
		full := append(appendSigned([]byte{i32, variable, opI32Const}, Quantum), opEnd)
		return extend(moved, 2, append(full, i32, variable, opI32Const, 0, opEnd)...)
	case sectionExport:
		return c.exports(section)
	case sectionStart:
		return c.start(section)
	case sectionElement:
		return c.elements(section)
	case sectionCode:
		return c.codeSection(section)
	case sectionFunction:
		_, err := vectorOf(section, func(r *reader) { r.number() })
		return section, err
	case sectionMemory:
		_, err := vectorOf(section, func(r *reader) { r.limits() })
		return section, err
	case sectionData:
		_, err := vectorOf(section, dataSegment)
		return section, err
	}
	return section, nil
}

// dataSegment skips one: active, passive, or active with the index of a memory.
func dataSegment(r *reader) {
	form := r.number()
	if form == 2 {
		r.number()
	}
	if form != 1 {
		r.expression()
	}
	r.name()
}

// vectorOf reads a section that is a vector, or missing, and returns how many elements it has.
func vectorOf(section []byte, each func(*reader)) (n uint32, err error) {
	if section == nil {
		return 0, nil
	}
	r := reader{all: section}
	r.vector(func() {
		each(&r)
		n++
	})
	if err := r.end(); err != nil {
		return 0, err
	}
	return n, nil
}

// extend appends n elements to a section that is a vector.
func extend(section []byte, n uint32, elements ...byte) ([]byte, error) {
	r := reader{all: section}
	var have uint32
	if len(section) != 0 {
		have = r.number()
	}
	if r.err != nil || have > 1<<31 {
		return nil, errMalformed
	}
	out := appendNumber(make([]byte, 0, len(section)+len(elements)+5), have+n)
	return append(append(out, section[r.at:]...), elements...), nil
}

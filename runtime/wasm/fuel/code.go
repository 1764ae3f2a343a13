package fuel

import (
	"cmp"
	"slices"
)

// Quantum is how much a guest may do between two calls of the host, in units of about unit simple instructions: some tens of
// microseconds, at most a few hundred.
const Quantum = 10_000

const (
	unit      = 16 // instructions that cost one
	lengthLog = 8  // bytes, or elements of a table, that cost one, as a power of two
)

// maxLocals bounds the local variables of a function, for each of which the compiler keeps something.
const maxLocals = 50_000

// counter knows where a module's counting is done.
type counter struct {
	fuel    uint32 // index of the global that counts
	scratch uint32 // index of the global that holds an operand for a moment
	yield   uint32 // index of the host's function
}

// moved is the index of a function in the new module.
func (c counter) moved(function uint32) uint32 {
	if function >= c.yield {
		return function + 1
	}
	return function
}

// function rewrites the body of one (its locals, then its code) and appends it to out.
func (c counter) function(out, body []byte) ([]byte, error) {
	r := reader{all: body}
	var locals uint64
	r.vector(func() {
		locals += uint64(r.number())
		r.byte()
	})
	if locals > maxLocals {
		r.fail(errLayout)
	}
	start := r.at
	costs, err := costsOf(body[start:])
	if err := cmp.Or(r.err, err); err != nil {
		return nil, err
	}
	copied := 0
	upTo := func(at int) {
		out = append(out, body[copied:at]...)
		copied = at
	}
	upTo(start)
	out = c.charge(out, costs[0])
	loop := 0
	for r.more() {
		at := r.at
		switch i := r.instruction(); {
		case i.opcode == opLoop:
			loop++
			upTo(r.at)
			out = c.charge(out, costs[loop])
		case i.long:
			upTo(at)
			out = c.chargeLength(out)
		case i.opcode == opCall || i.opcode == opRefFunc:
			upTo(at)
			out = appendNumber(append(out, i.opcode), c.moved(i.function))
			copied = r.at
		}
	}
	upTo(len(body))
	return out, nil
}

// costsOf counts the instructions of a function's code that run each time it is entered (first) and each time one of its loops begins anew (in
// the order of the loops), without those of loops within, and returns what they cost.
func costsOf(code []byte) ([]int32, error) {
	costs := []int32{0}
	within := []int{0} // for each open block, whose costs it adds to
	r := reader{all: code}
	for r.more() {
		i := r.instruction()
		if r.err != nil {
			break
		}
		if len(within) == 0 {
			return nil, errMalformed
		}
		costs[within[len(within)-1]]++
		switch i.opcode {
		case opLoop:
			within = append(within, len(costs))
			costs = append(costs, 0)
		case opBlock, opIf:
			within = append(within, within[len(within)-1])
		case opEnd:
			within = within[:len(within)-1]
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	if len(within) != 0 {
		return nil, errMalformed
	}
	for i := range costs {
		costs[i] = 1 + costs[i]/unit
	}
	return costs, nil
}

// charge takes cost from the fuel, and calls the host if none is left.
func (c counter) charge(out []byte, cost int32) []byte {
	out = appendNumber(append(out, opGlobalGet), c.fuel)
	out = appendSigned(append(out, opI32Const), cost)
	return c.take(out)
}

// chargeLength does so for the number on top of the stack, which stays there.
func (c counter) chargeLength(out []byte) []byte {
	out = appendNumber(append(out, opGlobalSet), c.scratch)
	out = appendNumber(append(out, opGlobalGet), c.scratch)
	out = appendNumber(append(out, opGlobalGet), c.fuel)
	out = appendNumber(append(out, opGlobalGet), c.scratch)
	out = appendSigned(append(out, opI32Const), lengthLog)
	return c.take(append(out, opI32ShrU))
}

// take subtracts the cost from the fuel, both of which are on the stack. Costs are below 2^24 and fuel that is out is made full at once, so
// that the subtraction cannot overflow.
func (c counter) take(out []byte) []byte {
	out = appendNumber(append(out, opI32Sub, opGlobalSet), c.fuel)
	out = appendNumber(append(out, opGlobalGet), c.fuel)
	out = append(out, opI32Const, 0, opI32LtS, opIf, emptyBlock)
	out = appendSigned(append(out, opI32Const), Quantum)
	out = appendNumber(append(out, opGlobalSet), c.fuel)
	out = appendNumber(append(out, opCall), c.yield)
	return append(out, opEnd)
}

// codeSection rewrites all functions.
func (c counter) codeSection(section []byte) ([]byte, error) {
	if section == nil {
		return nil, nil
	}
	r := reader{all: section}
	out := make([]byte, 0, len(section)+len(section)/4)
	var body []byte
	var err error
	n := r.count()
	out = appendNumber(out, n)
	for ; n > 0 && err == nil && r.err == nil; n-- {
		if body, err = c.function(body[:0], r.name()); err == nil {
			out = append(appendNumber(out, uint32(len(body))), body...)
		}
	}
	if err := cmp.Or(err, r.end()); err != nil {
		return nil, err
	}
	return slices.Clip(out), nil
}

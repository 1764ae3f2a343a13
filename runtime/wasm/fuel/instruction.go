package fuel

// Opcodes that are more to us than bytes to copy.
const (
	opBlock        = 0x02
	opLoop         = 0x03
	opIf           = 0x04
	opEnd          = 0x0b
	opBrTable      = 0x0e
	opCall         = 0x10
	opCallIndirect = 0x11
	opSelectTyped  = 0x1c
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opI32Const     = 0x41
	opI64Const     = 0x42
	opF32Const     = 0x43
	opF64Const     = 0x44
	opI32LtS       = 0x48
	opI32Sub       = 0x6b
	opI32ShrU      = 0x76
	opRefNull      = 0xd0
	opRefFunc      = 0xd2
	opMore         = 0xfc // bulk memory, tables, saturating conversions
	opVector       = 0xfd

	emptyBlock = 0x40
)

// Behind opMore.
const (
	moreMemoryInit = 8
	moreDataDrop   = 9
	moreMemoryCopy = 10
	moreMemoryFill = 11
	moreTableInit  = 12
	moreElemDrop   = 13
	moreTableCopy  = 14
	moreTableGrow  = 15
	moreTableSize  = 16
	moreTableFill  = 17
)

// instruction is what the rewriter wants to know of one.
type instruction struct {
	opcode   byte
	function uint32 // of opCall and opRefFunc
	long     bool   // its time grows with the i32 on top of the stack
}

// instruction reads one with its immediates.
func (r *reader) instruction() instruction {
	i := instruction{opcode: r.byte()}
	switch op := i.opcode; {
	case op == opBlock || op == opLoop || op == opIf:
		r.signed(5) // a type's index, a value type or nothing: 33 bits
	case op == 0x0c || op == 0x0d: // br, br_if
		r.number()
	case op == opBrTable:
		r.vector(func() { r.number() })
		r.number()
	case op == opCall || op == opRefFunc:
		i.function = r.number()
	case op == opCallIndirect:
		r.numbers(2)
	case op == opSelectTyped:
		r.vector(func() { r.byte() })
	case op >= 0x20 && op <= 0x26: // local, global and table access
		r.number()
	case op >= 0x28 && op <= 0x3e: // loads and stores
		r.numbers(2)
	case op == 0x3f || op == 0x40: // memory.size, memory.grow
		r.number()
	case op == opI32Const:
		r.signed(5)
	case op == opI64Const:
		r.signed(10)
	case op == opF32Const:
		r.bytes(4)
	case op == opF64Const:
		r.bytes(8)
	case op == opRefNull:
		r.byte()
	case op == opMore:
		i.long = r.more2()
	case op == opVector:
		r.vectorInstruction()
	case op <= 0x01 || op == 0x05 || op == opEnd || op == 0x0f || op == 0x1a || op == 0x1b || op >= 0x45 && op <= 0xc4 || op == 0xd1:
		// nothing follows
	default:
		r.fail(errMalformed)
	}
	return i
}

// more2 reads what follows opMore, and says whether the instruction's time grows with its last operand.
func (r *reader) more2() (long bool) {
	switch sub := r.number(); {
	case sub < moreMemoryInit: // saturating conversions
	case sub == moreMemoryInit, sub == moreMemoryCopy, sub == moreTableInit, sub == moreTableCopy:
		r.numbers(2)
		return true
	case sub == moreMemoryFill, sub == moreTableFill, sub == moreTableGrow:
		r.number()
		return true
	case sub == moreDataDrop, sub == moreElemDrop, sub == moreTableSize:
		r.number()
	default:
		r.fail(errMalformed)
	}
	return false
}

// vectorInstruction reads what follows opVector. The runtime takes one byte for the number of the instruction, and for those that have a
// second one, which is 1, takes that for a nop. A number that is written longer than it must be would be read differently there and here, and what one
// takes for an operand could be the other's loop: it is refused.
func (r *reader) vectorInstruction() {
	at := r.at
	sub := r.number()
	if length := r.at - at; r.err == nil && (sub > 255 || length > 2 || length == 2 && sub < 128) {
		r.fail(errOdd)
	}
	switch {
	case sub <= 11, sub == 92, sub == 93: // loads and stores
		r.numbers(2)
	case sub == 12, sub == 13: // a constant, a shuffle's lanes
		r.bytes(16)
	case sub >= 21 && sub <= 34: // a lane
		r.byte()
	case sub >= 84 && sub <= 91: // loads and stores of a lane
		r.numbers(2)
		r.byte()
	}
}

package fuel

import (
	"encoding/binary"
	"errors"
)

// errMalformed is the cause of every failure to read a module.
var errMalformed = errors.New("the binary format is damaged")

// errLayout is the cause where something is said to be longer than it can be, or sections are unknown, doubled or out of order.
var errLayout = errors.New("its sections and lengths do not fit together")

// errOdd is the cause where the runtime may see none.
var errOdd = errors.New("a vector instruction has a number that does not exist, or is longer than it must be")

// reader reads a part of a module. Once something is missing or out of range it has an err and reads zeros.
type reader struct {
	all []byte
	at  int
	err error
}

func (r *reader) more() bool { return r.err == nil && r.at < len(r.all) }

func (r *reader) fail(err error) { r.at, r.err = len(r.all), err }

// end is the error of a part that has to be read to its end.
func (r *reader) end() error {
	if r.more() {
		return errMalformed
	}
	return r.err
}

// bytes returns the next n bytes, a view of the module.
func (r *reader) bytes(n uint32) []byte {
	if uint64(n) > uint64(len(r.all)-r.at) {
		r.fail(errLayout)
		return nil
	}
	b := r.all[r.at : r.at+int(n)]
	r.at += int(n)
	return b
}

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// number reads an unsigned LEB128 number of 32 bits.
func (r *reader) number() uint32 {
	v, n := binary.Uvarint(r.all[r.at:])
	if n <= 0 || n > 5 || v > 1<<32-1 {
		r.fail(errLayout)
		return 0
	}
	r.at += n
	return uint32(v)
}

// numbers skips n of them.
func (r *reader) numbers(n int) {
	for range n {
		r.number()
	}
}

// signed skips a signed LEB128 number of at most most bytes.
func (r *reader) signed(most int) {
	for range most {
		if r.byte() < 0x80 {
			return
		}
	}
	r.fail(errMalformed)
}

// count reads how many elements a vector has. They take at least a byte each: the compiler, which makes room for as many as it is told, is not told
// of more than there can be.
func (r *reader) count() uint32 {
	n := r.number()
	if uint64(n) > uint64(len(r.all)-r.at) {
		r.fail(errLayout)
		return 0
	}
	return n
}

// vector calls each for every element of a vector.
func (r *reader) vector(each func()) {
	for n := r.count(); n > 0 && r.err == nil; n-- {
		each()
	}
}

// name skips a name, or other bytes behind their number.
func (r *reader) name() []byte { return r.bytes(r.number()) }

// expression skips a constant one.
func (r *reader) expression() {
	for r.more() {
		if r.instruction().opcode == opEnd {
			return
		}
	}
	r.fail(errMalformed)
}

// limits reads a minimum and a maximum; bounded says that there is one.
func (r *reader) limits() (least, most uint32, bounded bool) {
	flags := r.byte()
	least = r.number()
	if bounded = flags&1 != 0; bounded {
		most = r.number()
	}
	return least, most, bounded
}

func appendNumber(b []byte, v uint32) []byte { return binary.AppendUvarint(b, uint64(v)) }

// appendSigned appends v as a signed LEB128 number.
func appendSigned(b []byte, v int32) []byte {
	for {
		c := byte(v) & 0x7f
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

func appendName(b []byte, s string) []byte { return append(appendNumber(b, uint32(len(s))), s...) }

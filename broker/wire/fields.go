package wire

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// MalformedError says that bytes are not the message they should be. What names the message. The connection they came over is
// still in step (frames have their own lengths), so the answer is an error for the one command.
type MalformedError struct {
	What string
	Why  string
}

func (e *MalformedError) Error() string { return e.What + ": " + e.Why }

func malformed(what, format string, args ...any) error {
	return &MalformedError{What: what, Why: fmt.Sprintf(format, args...)}
}

// Tags of protobuf fields: the number and the wire type. A known field that comes with another wire type than its own has another
// tag and is skipped as unknown, so that a required one is then missed.
const (
	varint = uint64(protowire.VarintType)
	blob   = uint64(protowire.BytesType)
	bit64  = uint64(protowire.Fixed64Type)
	bit32  = uint64(protowire.Fixed32Type)
)

// fields walks over the fields of one protobuf message. The error is sticky: walk to the end, then look at bad.
type fields struct {
	rest []byte
	bad  bool

	// The current field.
	tag uint64 // number<<3 | wire type
	u   uint64 // value of a varint or fixed field
	b   []byte // value of a length-delimited field
}

// next moves to the next field; false at the end or when what follows is no field.
func (f *fields) next() bool {
	if len(f.rest) == 0 {
		return false
	}
	tag, n := uvarint(f.rest)
	if n <= 0 || tag>>3 == 0 || tag>>3 > uint64(protowire.MaxValidNumber) {
		f.bad = true
		return false
	}
	f.tag = tag
	f.rest = f.rest[n:]
	switch tag & 7 {
	case varint:
		f.u, n = uvarint(f.rest)
	case blob:
		var size uint64
		size, n = uvarint(f.rest)
		if n <= 0 || size > uint64(len(f.rest)-n) {
			f.bad = true
			return false
		}
		f.b = f.rest[n : n+int(size) : n+int(size)]
		n += int(size)
	case bit64:
		f.u, n = protowire.ConsumeFixed64(f.rest)
	case bit32:
		var v uint32
		v, n = protowire.ConsumeFixed32(f.rest)
		f.u = uint64(v)
	default: // groups: Pulsar has none
		n = protowire.ConsumeFieldValue(protowire.Number(tag>>3), protowire.Type(tag&7), f.rest)
	}
	if n <= 0 {
		f.bad = true
		return false
	}
	f.rest = f.rest[n:]
	return true
}

// uvarint is protowire.ConsumeVarint with the one-byte case in line; n <= 0 when b holds none.
func uvarint(b []byte) (v uint64, n int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	return protowire.ConsumeVarint(b)
}

func appendVarint(dst []byte, tag byte, v uint64) []byte {
	return protowire.AppendVarint(append(dst, tag<<3), v)
}

// openMessage begins a length-delimited field whose length is not known yet; closeMessage writes the length. The field's
// number must be below 16, or the tag given in full (appendTag).
func openMessage(dst []byte, number byte) ([]byte, int) {
	dst = append(dst, number<<3|2, 0)
	return dst, len(dst)
}

// closeMessage makes dst[mark:] the body of the field opened at mark. One byte was left for the length; a longer one moves the
// body, which is rare (bodies over 127 bytes) and costs no allocation.
func closeMessage(dst []byte, mark int) []byte {
	size := len(dst) - mark
	if size < 0x80 {
		dst[mark-1] = byte(size)
		return dst
	}
	more := protowire.SizeVarint(uint64(size)) - 1
	var room [10]byte
	dst = append(dst, room[:more]...)
	copy(dst[mark+more:], dst[mark:mark+size])
	protowire.AppendVarint(dst[:mark-1], uint64(size))
	return dst
}

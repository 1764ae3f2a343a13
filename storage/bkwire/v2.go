package bkwire

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/strobemq/strobe/storage/bk"
)

// Op is an operation of BookKeeper's protocol, version 2.
type Op uint8

const (
	OpAdd       Op = 1
	OpRead      Op = 2
	OpAuth      Op = 3
	OpBatchRead Op = 7
)

// String is the name that BookKeeper gives the operation.
func (o Op) String() string {
	switch o {
	case OpAdd:
		return "ADDENTRY"
	case OpRead:
		return "READENTRY"
	case OpAuth:
		return "AUTH"
	case OpBatchRead:
		return "BATCH_READ_ENTRY"
	}
	return fmt.Sprintf("opcode %d", uint8(o))
}

const (
	// Port is where bookies listen if nothing else is said.
	Port = 3181
	// V2 is the version that a frame of version 2 carries; a bookie takes those below too.
	V2 = 2
	// FramePadding is what a frame holds beside the largest message.
	FramePadding = 10 << 10
	// MaxFrame is the length of the largest frame, without its length prefix: Pulsar's 5 MiB of message and 10 KiB.
	MaxFrame = 5<<20 + FramePadding

	lengthLen = 4 // the length prefix of a frame
	packetLen = 4 // version, opcode and flags
	idsLen    = 16
)

// Frames that end their connection: whoever sends them does not speak the protocol, or not what is known of it.
var (
	ErrFrameLength = errors.New("frame length out of range")
	ErrFrameCut    = errors.New("frame too short for its operation")
	ErrOpcode      = errors.New("unknown operation")
)

// FrameLen is the length, without the prefix, of the frame that b begins with, or -1 when b does not hold the prefix.
// ErrFrameLength for a length below that of a header or above limit.
func FrameLen(b []byte, limit int) (int, error) {
	if len(b) < lengthLen {
		return -1, nil
	}
	n := int64(int32(binary.BigEndian.Uint32(b)))
	if n < packetLen || n > int64(limit) {
		return 0, fmt.Errorf("%w: %d bytes, at most %d", ErrFrameLength, n, limit)
	}
	return int(n), nil
}

// appendPacket appends what every frame begins with, for a frame of n bytes behind it.
//
//	length int, version byte, opcode byte, flags short
func appendPacket(dst []byte, version uint8, op Op, flags bk.Flags, n int) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(packetLen+n))
	return binary.BigEndian.AppendUint32(dst, packet(version, op, flags))
}

// packet is the header of a frame. Historic version 0 is nothing but the opcode.
func packet(version uint8, op Op, flags bk.Flags) uint32 {
	if version == 0 {
		return uint32(op)
	}
	return uint32(version)<<24 | uint32(op)<<16 | uint32(flags)
}

func parsePacket(h uint32) (version uint8, op Op, flags bk.Flags, err error) {
	version, op, flags = uint8(h>>24), Op(h>>16), bk.Flags(h)
	if version == 0 {
		op, flags = Op(h), 0
		if h > 0xff {
			return 0, 0, 0, fmt.Errorf("%w: header %#x", ErrOpcode, h)
		}
	}
	return version, op, flags, nil
}

// CodeToV2 is c as a version-2 peer understands it. A Java client of version 2 gives its connection up over any code it does not
// know, bk.ErrLimbo among them (interop §1.6): whatever has no number there is an I/O error.
func CodeToV2(c bk.Code) bk.Code {
	switch {
	case knownToV2(c):
		return c
	case c == bk.ErrEntryTooLarge:
		return bk.ErrBadRequest
	}
	return bk.ErrIO
}

// codeFromV2 is the code of an answer; bk.ErrIO for one that does not exist.
func codeFromV2(n int32) bk.Code {
	if c := bk.Code(n); knownToV2(c) || c == bk.ErrLimbo {
		return c
	}
	return bk.ErrIO
}

func knownToV2(c bk.Code) bool {
	return c >= bk.OK && c <= bk.ErrNoEntry || c >= bk.ErrBadRequest && c <= bk.ErrTooMany
}

func int64At(b []byte, at int) int64 { return int64(binary.BigEndian.Uint64(b[at:])) }

package wire

import (
	"encoding/binary"
	"fmt"
)

// A frame, big endian (the total does not count its own four bytes):
//
//	0        4        8              8+command             4+total
//	| total  | command| BaseCommand  | payload, perhaps    |
//
// Only SEND and MESSAGE have a payload, see Payload.

const (
	// DefaultMaxMessageSize is how large the payload part of a SEND may be when nobody says otherwise.
	DefaultMaxMessageSize = 5 << 20
	// FramePadding is by how much a frame may exceed the largest message.
	FramePadding = 10 << 10
	frameHeader  = 8
)

// FrameError says that the four bytes of a length cannot be one. The stream is out of step: close the connection.
type FrameError struct {
	Total   uint32
	Command uint32
	Max     int
}

func (e *FrameError) Error() string {
	if uint64(e.Total) > uint64(e.Max) {
		return fmt.Sprintf("frame of %d bytes, the limit is %d", e.Total, e.Max)
	}
	return fmt.Sprintf("frame of %d bytes with a command of %d", e.Total, e.Command)
}

// Frame is one whole frame cut in two; both parts point into what was parsed.
type Frame struct {
	Command []byte // the BaseCommand, see Split
	Payload []byte // what follows it; empty for most commands
}

// FrameSize is the length of the frame that b begins with, its first four bytes included; 0 when b is too short to say. A frame
// whose total exceeds max (usually the largest message plus FramePadding), or that has no room for a command, is a *FrameError.
func FrameSize(b []byte, max int) (int, error) {
	if len(b) < 4 {
		return 0, nil
	}
	total := binary.BigEndian.Uint32(b)
	if uint64(total) > uint64(max) || total < 4 {
		return 0, &FrameError{Total: total, Max: max}
	}
	if len(b) >= frameHeader {
		if command := binary.BigEndian.Uint32(b[4:]); command == 0 || command > total-4 {
			return 0, &FrameError{Total: total, Command: command, Max: max}
		}
	}
	return int(total) + 4, nil
}

// ParseFrame cuts the frame that b begins with; n is its length, or 0 when b does not hold all of it yet.
func ParseFrame(b []byte, max int) (f Frame, n int, err error) {
	n, err = FrameSize(b, max)
	if err != nil || n == 0 || len(b) < n {
		return Frame{}, 0, err
	}
	if n < frameHeader {
		return Frame{}, 0, &FrameError{Total: uint32(n - 4), Max: max}
	}
	end := frameHeader + int(binary.BigEndian.Uint32(b[4:]))
	return Frame{Command: b[frameHeader:end:end], Payload: b[end:n:n]}, n, nil
}

// Split finds the type of a BaseCommand and the bytes of its body. A type that this version does not know is no error; neither is a
// missing body, which some commands do not need.
func Split(command []byte) (t Type, body []byte, err error) {
	f := fields{rest: command}
	typed := false
	for f.next() {
		switch {
		case f.tag == 1<<3|varint:
			t, typed = Type(f.u), true
		case f.tag&7 == blob && typed && f.tag>>3 == uint64(t):
			body = f.b
		case f.tag&7 == blob && !typed: // nobody sends the body first, but protobuf allows it
			return splitAnyOrder(command)
		}
	}
	if f.bad || !typed {
		return 0, nil, malformed("BaseCommand", "not a type and a body")
	}
	return t, body, nil
}

func splitAnyOrder(command []byte) (t Type, body []byte, err error) {
	f := fields{rest: command}
	typed := false
	for f.next() {
		if f.tag == 1<<3|varint {
			t, typed = Type(f.u), true
		}
	}
	if f.bad || !typed {
		return 0, nil, malformed("BaseCommand", "not a type and a body")
	}
	for f = (fields{rest: command}); f.next(); {
		if f.tag == uint64(t)<<3|blob {
			body = f.b
		}
	}
	return t, body, nil
}

// openFrame begins a frame with a command; close it with closeFrame. The marks are where the frame and the body start.
func openFrame(dst []byte, t Type) (out []byte, frame, body int) {
	frame = len(dst)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0, 1<<3, byte(t))
	dst = appendTag(dst, t)
	dst = append(dst, 0)
	return dst, frame, len(dst)
}

func appendTag(dst []byte, t Type) []byte {
	tag := uint64(t)<<3 | blob
	if tag < 0x80 {
		return append(dst, byte(tag))
	}
	return append(dst, byte(tag)|0x80, byte(tag>>7))
}

// closeFrame writes the lengths; payload is how many bytes the caller sends behind the command.
func closeFrame(dst []byte, frame, body, payload int) []byte {
	dst = closeMessage(dst, body)
	command := len(dst) - frame - frameHeader
	binary.BigEndian.PutUint32(dst[frame:], uint32(4+command+payload))
	binary.BigEndian.PutUint32(dst[frame+4:], uint32(command))
	return dst
}

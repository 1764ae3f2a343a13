package wire

import "google.golang.org/protobuf/encoding/protowire"

// SendError refuses a SEND.
type SendError struct {
	ProducerID uint64
	SequenceID uint64
	Error      ServerError
	Message    []byte
}

// Decode fills e from the body of a SEND_ERROR; Message points into body.
func (e *SendError) Decode(body []byte) error {
	*e = SendError{}
	f := fields{rest: body}
	var has uint8
	for f.next() {
		switch f.tag {
		case 1<<3 | varint:
			e.ProducerID = f.u
			has |= 1
		case 2<<3 | varint:
			e.SequenceID = f.u
			has |= 2
		case 3<<3 | varint:
			e.Error = ServerError(f.u)
			has |= 4
		case 4<<3 | blob:
			e.Message = f.b
			has |= 8
		}
	}
	if f.bad || has != 15 {
		return malformed("SEND_ERROR", "not a producer id, a sequence id, an error and a text")
	}
	return nil
}

// AppendFrame appends the whole frame.
func (e *SendError) AppendFrame(dst []byte) []byte {
	dst, frame, body := openFrame(dst, TypeSendError)
	dst = appendVarint(dst, 1, e.ProducerID)
	dst = appendVarint(dst, 2, e.SequenceID)
	dst = appendVarint(dst, 3, uint64(e.Error))
	dst = protowire.AppendBytes(append(dst, 4<<3|2), e.Message)
	return closeFrame(dst, frame, body, 0)
}

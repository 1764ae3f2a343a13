package bkwire

import (
	"fmt"
)

// Latch is which version of the protocol a connection speaks. It is undecided until the first frame and then stays: a
// request of version 3 is a protobuf message that begins with the tag of its header, which no frame of version 2 does.
type Latch uint8

const (
	Undecided Latch = iota
	SpeaksV2
	SpeaksV3
)

// firstOfV3 is the tag of field 1, length-delimited.
const firstOfV3 = 0x0a

// See looks at a frame, without its length prefix, and returns what the connection speaks from here on.
func (l *Latch) See(frame []byte) Latch {
	if *l == Undecided {
		*l = SpeaksV2
		if len(frame) > 0 && frame[0] == firstOfV3 {
			*l = SpeaksV3
		}
	}
	return *l
}

// Numbers of version 3 that a bookie needs to refuse it.
const (
	v3BadRequest = 404
	v3BadVersion = 503
	v3StartTLS   = 9
)

// MaxV3Refusal is no less than the size of what AppendV3Refusal appends.
const MaxV3Refusal = 64

// AppendV3Refusal appends the answer, in version 3, to a request of version 3 that is not spoken here: EBADVERSION, and to
// START_TLS EBADREQ, as a bookie without TLS answers it. It is an error when the request has no header.
func AppendV3Refusal(dst, frame []byte) ([]byte, error) {
	var operation, txn int64
	err := eachField(frame, func(f field) error {
		if f.num != 1 {
			return nil
		}
		return eachField(f.bytes, func(f field) error {
			switch f.num {
			case 2:
				operation = f.varint
			case 3:
				txn = f.varint
			}
			return nil
		})
	})
	if err == nil && operation == 0 {
		err = ErrFrameCut
	}
	if err != nil {
		return dst, fmt.Errorf("request of version 3: %w", err)
	}
	status := int64(v3BadVersion)
	if operation == v3StartTLS {
		status = v3BadRequest
	}
	header := appendVarint(appendVarint(appendVarint(nil, 1, 3), 2, operation), 3, txn)
	message := appendVarint(appendBytes(nil, 1, header), 2, status)
	dst = append(dst, 0, 0, 0, byte(len(message)))
	return append(dst, message...), nil
}

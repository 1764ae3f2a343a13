package load

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

// The protocol of the floor pipeline, big endian:
//
//	| length (4) of what follows | kind (1) | id (8) | payload |
//
// A producer sends entries and gets their ids back in order; a consumer says once that it is one, is told so, and gets every entry
// from then on.
const (
	PipelineEntry    = 'e'
	PipelineAck      = 'a'
	PipelineConsumer = 'c'

	PipelineHeader = 13
)

// AppendPipelineHeader appends the header of a frame with so many bytes of payload.
func AppendPipelineHeader(dst []byte, kind byte, id uint64, payload int) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(PipelineHeader-4+payload))
	return binary.BigEndian.AppendUint64(append(dst, kind), id)
}

// CutPipelineFrame cuts the frame that b begins with; n is its length, or 0 when b does not hold all of it.
func CutPipelineFrame(b []byte) (kind byte, id uint64, payload []byte, n int, err error) {
	if len(b) < PipelineHeader {
		return 0, 0, nil, 0, nil
	}
	size := binary.BigEndian.Uint32(b)
	if size < PipelineHeader-4 || size > maxFrame {
		return 0, 0, nil, 0, fmt.Errorf("a frame of %d bytes", size)
	}
	n = 4 + int(size)
	if len(b) < n {
		return 0, 0, nil, 0, nil
	}
	return b[4], binary.BigEndian.Uint64(b[5:]), b[PipelineHeader:n], n, nil
}

// NewPipelineProducer makes a producer of a floor pipeline at addr.
func NewPipelineProducer(ctx context.Context, addr string, shape Shape) (*Producer, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	frame := append(AppendPipelineHeader(nil, PipelineEntry, 0, shape.Bytes()), Payload(shape.Bytes())...)
	return newProducer(nc, pipelineProducer{frame}, shape, 0, nil), nil
}

type pipelineProducer struct{ frame []byte }

func (p pipelineProducer) entry() []byte { return p.frame }

func (p pipelineProducer) number(frame []byte, sequence uint64) {
	binary.BigEndian.PutUint64(frame[5:], sequence)
}

func (p pipelineProducer) acked(b []byte, _ net.Conn, ack func(uint64)) (int, error) {
	kind, id, _, n, err := CutPipelineFrame(b)
	if err != nil || n == 0 {
		return 0, err
	}
	if kind != PipelineAck {
		return 0, fmt.Errorf("a frame of kind %q", kind)
	}
	ack(id)
	return n, nil
}

// NewPipelineConsumer makes a consumer of a floor pipeline at addr; shape is that of the entries.
func NewPipelineConsumer(ctx context.Context, addr string, shape Shape) (*Consumer, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	hello := AppendPipelineHeader(nil, PipelineConsumer, 0, 0)
	if _, err = nc.Write(hello); err == nil {
		_, err = io.ReadFull(nc, hello)
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	return newConsumer(nc, pipelineConsumer{shape.Messages}, nil, begun), nil
}

type pipelineConsumer struct{ messages int }

func (p pipelineConsumer) delivered(b []byte, _ net.Conn) (n, messages, size int, err error) {
	_, _, body, n, err := CutPipelineFrame(b)
	if err != nil || n == 0 {
		return 0, 0, 0, err
	}
	return n, p.messages, len(body), nil
}

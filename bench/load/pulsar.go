package load

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
)

// firstSequence is the least sequence id that takes five bytes on the wire, and 2^35 the first that takes more: between them an
// id can be written into a frame that is already built.
const firstSequence = 1 << 28

// maxFrame is more than any broker sends.
const maxFrame = 8 << 20

// session is one connection to a broker, after CONNECT.
type session struct {
	nc   net.Conn
	rest []byte // arrived and not looked at yet
}

// dial connects to a broker at pulsar://host:port.
func dial(ctx context.Context, url string) (*session, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", strings.TrimPrefix(url, "pulsar://"))
	if err != nil {
		return nil, err
	}
	s := &session{nc: nc}
	_, err = s.ask(wire.TypeConnect, &pb.Connect{ClientVersion: proto.String("strobe bench"), ProtocolVersion: proto.Int32(wire.ProtocolVersion)}, wire.TypeConnected)
	if err != nil {
		nc.Close()
		return nil, err
	}
	return s, nil
}

// ask sends a command and waits for its answer, which nothing else may precede.
func (s *session) ask(kind wire.Type, m proto.Message, want wire.Type) ([]byte, error) {
	if err := s.nc.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if _, err := s.nc.Write(wire.AppendCommand(nil, kind, m)); err != nil {
		return nil, err
	}
	for {
		f, n, err := wire.ParseFrame(s.rest, maxFrame)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			got, body, err := wire.Split(f.Command)
			if err != nil {
				return nil, err
			}
			s.rest = s.rest[n:]
			if got == wire.TypeActiveConsumerChange {
				continue
			}
			if got != want {
				return nil, refused(kind, got, body)
			}
			return body, s.nc.SetDeadline(time.Time{})
		}
		buf := make([]byte, 64<<10)
		k, err := s.nc.Read(buf)
		if err != nil {
			return nil, fmt.Errorf("%v: %w", kind, err)
		}
		s.rest = append(s.rest, buf[:k]...)
	}
}

func refused(kind, got wire.Type, body []byte) error {
	var m pb.Error
	if got == wire.TypeError && wire.DecodeBody(got, body, &m) == nil {
		return fmt.Errorf("%v was refused: %v: %s", kind, m.GetError(), m.GetMessage())
	}
	return fmt.Errorf("%v was answered with %v", kind, got)
}

// NewProducer makes a producer of entries of a shape on a connection of its own.
func NewProducer(ctx context.Context, url, topic string, shape Shape) (*Producer, error) {
	s, err := dial(ctx, url)
	if err != nil {
		return nil, err
	}
	body, err := s.ask(wire.TypeProducer, &pb.Producer{Topic: &topic, ProducerId: proto.Uint64(1), RequestId: proto.Uint64(1)}, wire.TypeProducerSuccess)
	var m pb.ProducerSuccess
	if err == nil {
		err = wire.DecodeBody(wire.TypeProducerSuccess, body, &m)
	}
	if err != nil {
		s.nc.Close()
		return nil, fmt.Errorf("%s: %w", topic, err)
	}
	frame, at := pulsarEntry(shape, m.GetProducerName(), 1)
	return newProducer(s.nc, &pulsarProducer{frame: frame, at: at}, shape, firstSequence, s.rest), nil
}

// pulsarEntry builds a SEND with its entry; at is where the sequence id of the command lies. The one in the metadata stays the
// first: brokers judge by the command, and the checksum covers the metadata only.
func pulsarEntry(shape Shape, producer string, id uint64) (frame []byte, at int) {
	m := wire.Metadata{ProducerName: []byte(producer), SequenceID: firstSequence, PublishTime: time.Now().UnixMilli(), Messages: 1}
	body := Payload(shape.Size)
	if shape.Messages > 1 {
		m.Batch, m.Messages = true, int32(shape.Messages)
		one := body
		body = nil
		for i := range shape.Messages {
			single := wire.Single{Payload: one, SequenceID: firstSequence + uint64(i), HasSequence: true}
			body = single.Append(body)
		}
		m.Uncompressed = uint32(len(body))
	}
	entry := wire.AppendPayload(nil, &m, body)
	s := wire.Send{ProducerID: id, SequenceID: firstSequence, NumMessages: int32(shape.Messages)}
	frame = s.AppendFrame(nil, len(entry))
	at = bytes.Index(frame, []byte{2 << 3, 0x80, 0x80, 0x80, 0x80, 0x01}) + 1
	return append(frame, entry...), at
}

// Payload is bytes without a pattern that a disk or a protocol could profit from.
func Payload(n int) []byte {
	b := make([]byte, n)
	x := uint64(88172645463325252)
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x)
	}
	return b
}

type pulsarProducer struct {
	frame []byte
	at    int
	r     wire.SendReceipt
}

func (p *pulsarProducer) entry() []byte { return p.frame }

func (p *pulsarProducer) number(frame []byte, sequence uint64) { number(frame, p.at, sequence) }

// number writes a sequence id of five bytes into a frame.
func number(frame []byte, at int, sequence uint64) {
	b := frame[at : at+5]
	for i := range b {
		b[i] = byte(sequence>>(7*i)) | 0x80
	}
	b[4] &= 0x7f
}

func (p *pulsarProducer) acked(b []byte, nc net.Conn, ack func(uint64)) (int, error) {
	f, n, err := wire.ParseFrame(b, maxFrame)
	if err != nil || n == 0 {
		return 0, err
	}
	kind, body, err := wire.Split(f.Command)
	if err != nil {
		return 0, err
	}
	switch kind {
	case wire.TypeSendReceipt:
		if err := p.r.Decode(body); err != nil {
			return 0, err
		}
		ack(p.r.SequenceID)
		return n, nil
	case wire.TypeSendError:
		var e wire.SendError
		if err := e.Decode(body); err != nil {
			return 0, err
		}
		return 0, fmt.Errorf("entry refused: %v: %s", e.Error, e.Message)
	}
	return n, common(kind, nc)
}

// common answers what a broker may send at any time.
func common(kind wire.Type, nc net.Conn) error {
	switch kind {
	case wire.TypePing:
		_, err := nc.Write(wire.AppendPong(nil))
		return err
	case wire.TypePong, wire.TypeActiveConsumerChange, wire.TypeAckResponse:
		return nil
	}
	return fmt.Errorf("the broker sent %v", kind)
}

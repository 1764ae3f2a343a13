package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
)

// forwardPermits is how many messages a forwarder lets the broker send ahead.
const forwardPermits = 100_000

// Forward moves entries from one topic to another until ctx ends: what is delivered is sent on as it is, and acknowledged once the output
// is. It is the least that a function could do, the floor under one that does nothing. ready is called once when it has begun.
func Forward(ctx context.Context, url, from, to string, ready func()) error {
	in, err := dial(ctx, url)
	if err != nil {
		return err
	}
	defer in.nc.Close()
	out, err := dial(ctx, url)
	if err != nil {
		return err
	}
	defer out.nc.Close()
	_, err = in.ask(wire.TypeSubscribe, &pb.Subscribe{Topic: &from, Subscription: proto.String("forward"), SubType: pb.Subscribe_SHARED.Enum(),
		ConsumerId: proto.Uint64(1), RequestId: proto.Uint64(1), Durable: proto.Bool(true)}, wire.TypeSuccess)
	if err == nil {
		_, err = out.ask(wire.TypeProducer, &pb.Producer{Topic: &to, ProducerId: proto.Uint64(1), RequestId: proto.Uint64(1)}, wire.TypeProducerSuccess)
	}
	if err == nil {
		l := wire.Flow{ConsumerID: 1, Permits: forwardPermits}
		_, err = in.nc.Write(l.AppendFrame(nil))
	}
	if err != nil {
		return err
	}
	f := &forwarder{in: in.nc, out: out.nc}
	defer context.AfterFunc(ctx, func() { in.nc.Close(); out.nc.Close() })()
	ended := make(chan error, 2)
	go func() { ended <- frames(in.nc, in.rest, f.delivered) }()
	go func() { ended <- frames(out.nc, out.rest, f.receipts) }()
	ready()
	err = <-ended
	in.nc.Close()
	out.nc.Close()
	<-ended
	if ctx.Err() != nil && errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

type forwarder struct {
	in, out net.Conn

	mu  sync.Mutex
	ids []wire.MessageID // sent on and not acknowledged, in order

	// The delivering side's own.
	message  wire.Message
	metadata wire.Metadata
	sequence uint64
	used     uint32
	sends    []byte

	// The other side's own.
	receipt wire.SendReceipt
	acks    []byte
	done    []wire.MessageID
}

// delivered sends all on that arrived, with one write.
func (f *forwarder) delivered(b []byte) (int, error) {
	used := 0
	f.sends = f.sends[:0]
	for used < len(b) {
		n, err := f.forward(b[used:])
		if err != nil {
			return 0, err
		}
		if n == 0 {
			break
		}
		used += n
	}
	if f.used >= forwardPermits/4 {
		l := wire.Flow{ConsumerID: 1, Permits: f.used}
		f.used = 0
		if _, err := f.in.Write(l.AppendFrame(nil)); err != nil {
			return 0, err
		}
	}
	if len(f.sends) == 0 {
		return used, nil
	}
	_, err := f.out.Write(f.sends)
	return used, err
}

func (f *forwarder) forward(b []byte) (int, error) {
	frame, n, err := wire.ParseFrame(b, maxFrame)
	if err != nil || n == 0 {
		return 0, err
	}
	kind, body, err := wire.Split(frame.Command)
	if err != nil {
		return 0, err
	}
	if kind != wire.TypeMessage {
		return n, common(kind, f.in)
	}
	if err := f.message.Decode(body); err != nil {
		return 0, err
	}
	entry, err := wire.ParsePayload(frame.Payload)
	if err == nil {
		err = f.metadata.Decode(entry.Metadata)
	}
	if err != nil {
		return 0, err
	}
	f.mu.Lock()
	f.ids = append(f.ids, f.message.ID)
	f.mu.Unlock()
	f.sequence++
	s := wire.Send{ProducerID: 1, SequenceID: f.sequence, NumMessages: f.metadata.Messages}
	f.sends = append(s.AppendFrame(f.sends, len(frame.Payload)), frame.Payload...)
	f.used += uint32(f.metadata.Messages)
	return n, nil
}

// receipts acknowledges the inputs of all outputs that are stored.
func (f *forwarder) receipts(b []byte) (int, error) {
	used, stored := 0, 0
	for used < len(b) {
		frame, n, err := wire.ParseFrame(b[used:], maxFrame)
		if err != nil {
			return 0, err
		}
		if n == 0 {
			break
		}
		kind, body, err := wire.Split(frame.Command)
		switch {
		case err != nil:
		case kind == wire.TypeSendReceipt:
			if err = f.receipt.Decode(body); err == nil {
				stored++
			}
		case kind == wire.TypeSendError:
			err = fmt.Errorf("an output was refused")
		default:
			err = common(kind, f.out)
		}
		if err != nil {
			return 0, err
		}
		used += n
	}
	if stored == 0 {
		return used, nil
	}
	f.mu.Lock()
	f.done = append(f.done[:0], f.ids[:stored]...)
	f.ids = append(f.ids[:0], f.ids[stored:]...)
	f.mu.Unlock()
	a := wire.Ack{ConsumerID: 1, IDs: f.done}
	f.acks = a.AppendFrame(f.acks[:0])
	_, err := f.in.Write(f.acks)
	return used, err
}

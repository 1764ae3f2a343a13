package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
)

// tail consumes a topic through kills. It is a client of our own because the order of what it sees is judged: pulsar-client-go v0.21.0 may subscribe
// twice on one connection when two were lost, drops what came in between, and gets that again only when the connection ends.
type tail struct {
	owner    func(ctx context.Context, topic string) (url string, err error)
	topic    string
	name     string // of the subscription
	kind     pb.Subscribe_SubType
	noAcks   bool
	each     func(m message) // in the order of delivery, on the goroutine of run
	finished func() bool     // asked after every entry, and now and then

}

// message is one message of an entry; key and payload are the callee's until it returns.
type message struct {
	at           position
	key, payload []byte
}

const (
	tailPermits = 1000
	// tailAsk is how long a broker may take to answer; tailLook how often finished is asked while nothing comes.
	tailAsk  = 10 * time.Second
	tailLook = 200 * time.Millisecond
	maxFrame = 8 << 20
)

// run consumes until finished says so or ctx ends.
func (t *tail) run(ctx context.Context) {
	for ctx.Err() == nil && !t.finished() {
		if t.life(ctx) == nil {
			return
		}
		sleep(ctx, 50*time.Millisecond)
	}
}

// life is one connection; nil: finished.
func (t *tail) life(ctx context.Context) error {
	url, err := t.owner(ctx, t.topic)
	if err != nil {
		return err
	}
	d := net.Dialer{Timeout: tailAsk}
	nc, err := d.DialContext(ctx, "tcp", strings.TrimPrefix(url, "pulsar://"))
	if err != nil {
		return err
	}
	defer nc.Close()
	defer context.AfterFunc(ctx, func() { nc.Close() })()
	c := tailConn{tail: t, nc: nc}
	if err := c.ask(wire.TypeConnect, &pb.Connect{ClientVersion: proto.String("strobe crash"), ProtocolVersion: proto.Int32(wire.ProtocolVersion)}, wire.TypeConnected); err != nil {
		return err
	}
	err = c.ask(wire.TypeSubscribe, &pb.Subscribe{Topic: &t.topic, Subscription: &t.name, SubType: &t.kind, ConsumerId: proto.Uint64(1), RequestId: proto.Uint64(1),
		Durable: proto.Bool(true), InitialPosition: pb.Subscribe_EARLIEST.Enum()}, wire.TypeSuccess)
	if err != nil {
		return err
	}
	c.used = tailPermits
	return c.consume()
}

// tailConn is a connection of a tail.
type tailConn struct {
	*tail
	nc   net.Conn
	buf  []byte // arrived and not used
	used int32  // permits that were used up
	out  []byte // to be written before the next read

	m        wire.Message
	metadata wire.Metadata
	body     []byte
}

// next returns the next frame's command and payload, which are valid until the next call.
func (c *tailConn) next(wait time.Duration) (wire.Type, []byte, []byte, error) {
	for {
		f, n, err := wire.ParseFrame(c.buf, maxFrame)
		if err != nil {
			return 0, nil, nil, err
		}
		if n > 0 {
			c.buf = c.buf[n:]
			kind, body, err := wire.Split(f.Command)
			return kind, body, f.Payload, err
		}
		if len(c.out) > 0 {
			if _, err := c.nc.Write(c.out); err != nil {
				return 0, nil, nil, err
			}
			c.out = c.out[:0]
		}
		if err := c.nc.SetReadDeadline(time.Now().Add(wait)); err != nil {
			return 0, nil, nil, err
		}
		more := make([]byte, 64<<10)
		k, err := c.nc.Read(more)
		if err != nil {
			return 0, nil, nil, err
		}
		c.buf = append(c.buf[:len(c.buf):len(c.buf)], more[:k]...)
	}
}

func (c *tailConn) ask(kind wire.Type, m proto.Message, want wire.Type) error {
	c.out = wire.AppendCommand(c.out, kind, m)
	for {
		got, _, _, err := c.next(tailAsk)
		if err != nil || got == want {
			return err
		}
		if got != wire.TypeActiveConsumerChange && got != wire.TypePing {
			return fmt.Errorf("%v was answered with %v", kind, got)
		}
	}
}

// consume hands on what comes until it is finished (nil) or the connection ends.
func (c *tailConn) consume() error {
	for {
		if c.used >= tailPermits/2 {
			l := wire.Flow{ConsumerID: 1, Permits: uint32(c.used)}
			c.out, c.used = l.AppendFrame(c.out), 0
		}
		kind, body, payload, err := c.next(tailLook)
		var late net.Error
		switch {
		case errors.As(err, &late) && late.Timeout():
			if c.finished() {
				return nil
			}
			continue
		case err != nil:
			return err
		}
		switch kind {
		case wire.TypeMessage:
			if err := c.take(body, payload); err != nil {
				return err
			}
			if c.finished() {
				_, err := c.nc.Write(c.out) // the last acknowledgements, if they get through
				c.out = c.out[:0]
				_ = err
				return nil
			}
		case wire.TypePing:
			c.out = wire.AppendPong(c.out)
		case wire.TypeCloseConsumer:
			return errors.New("the broker closed the consumer")
		}
	}
}

// take hands on the messages of one entry and acknowledges it.
func (c *tailConn) take(body, payload []byte) error {
	c.m.AckSet = c.m.AckSet[:0]
	if err := c.m.Decode(body); err != nil {
		return err
	}
	entry, err := wire.ParsePayload(payload)
	if err == nil {
		err = entry.Verify()
	}
	if err == nil {
		err = c.metadata.Decode(entry.Metadata)
	}
	if err != nil {
		return fmt.Errorf("entry %v: %w", c.m.ID, err)
	}
	b := entry.Body
	if c.metadata.Compression != wire.None {
		if c.body, err = c.metadata.Compression.Decompress(c.body[:0], b, c.metadata.Uncompressed, maxFrame); err != nil {
			return err
		}
		b = c.body
	}
	at := position{c.m.ID.Ledger, c.m.ID.Entry, 0}
	if c.metadata.Batch {
		var s wire.Single
		err = wire.EachSingle(b, c.metadata.Messages, &s, func(i int32) error {
			at.batch = i
			c.each(message{at, s.PartitionKey, s.Payload})
			return nil
		})
	} else {
		c.each(message{at, c.metadata.PartitionKey, b})
	}
	if err != nil {
		return err
	}
	c.used += max(1, c.metadata.Messages)
	if !c.noAcks {
		a := wire.Ack{ConsumerID: 1, IDs: []wire.MessageID{{Ledger: at.ledger, Entry: at.entry, Partition: -1, BatchIndex: -1}}}
		c.out = a.AppendFrame(c.out)
	}
	return nil
}

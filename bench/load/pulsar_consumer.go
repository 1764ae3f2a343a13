package load

import (
	"context"
	"fmt"
	"net"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
)

// Subscription is what NewConsumer subscribes with.
type Subscription struct {
	Name     string
	Earliest bool
	// Messages of each entry; 0: the entry's metadata is read to know.
	Messages int
	// Permits is how many messages the broker may send ahead; half of them used, they are granted again. 0: 100 000.
	Permits uint32
	// NoAcks leaves everything as it was: nothing is acknowledged.
	NoAcks bool
	// Each is called for every entry, on the reader's goroutine, with the bytes behind the command, which are its until it returns. nil:
	// entries are only counted.
	Each func(entry []byte) error
}

// ackEvery is how often what was delivered is acknowledged, all at once, as stock clients do.
const ackEvery = 100 * time.Millisecond

// NewConsumer subscribes to topics, exclusively, on one connection of its own.
func NewConsumer(ctx context.Context, url string, sub Subscription, topics ...string) (*Consumer, error) {
	if sub.Permits == 0 {
		sub.Permits = 100_000
	}
	s, err := dial(ctx, url)
	if err != nil {
		return nil, err
	}
	d := &pulsarConsumer{sub: sub, consumers: make([]consuming, len(topics))}
	position := pb.Subscribe_LATEST
	if sub.Earliest {
		position = pb.Subscribe_EARLIEST
	}
	for i, topic := range topics {
		_, err := s.ask(wire.TypeSubscribe, &pb.Subscribe{Topic: &topic, Subscription: &sub.Name, SubType: pb.Subscribe_EXCLUSIVE.Enum(),
			ConsumerId: proto.Uint64(uint64(i)), RequestId: proto.Uint64(uint64(i)), Durable: proto.Bool(true), InitialPosition: &position}, wire.TypeSuccess)
		if err != nil {
			s.nc.Close()
			return nil, fmt.Errorf("%s: %w", topic, err)
		}
	}
	var flows []byte
	for i := range topics {
		f := wire.Flow{ConsumerID: uint64(i), Permits: sub.Permits}
		flows = f.AppendFrame(flows)
	}
	begun := time.Now()
	if _, err := s.nc.Write(flows); err != nil {
		s.nc.Close()
		return nil, err
	}
	return newConsumer(s.nc, d, s.rest, begun), nil
}

// consuming is one topic of a consumer.
type consuming struct {
	used uint32 // permits since the last FLOW
	last wire.MessageID
	owed bool // last is not acknowledged yet
}

type pulsarConsumer struct {
	sub       Subscription
	consumers []consuming
	m         wire.Message
	metadata  wire.Metadata
	ackAt     time.Time
	since     int // entries since the clock was looked at
	out       []byte
}

func (p *pulsarConsumer) delivered(b []byte, nc net.Conn) (n, messages, size int, err error) {
	f, n, err := wire.ParseFrame(b, maxFrame)
	if err != nil || n == 0 {
		return 0, 0, 0, err
	}
	kind, body, err := wire.Split(f.Command)
	if err != nil {
		return 0, 0, 0, err
	}
	if kind != wire.TypeMessage {
		return n, 0, 0, common(kind, nc)
	}
	if err := p.m.Decode(body); err != nil {
		return 0, 0, 0, err
	}
	if p.m.ConsumerID >= uint64(len(p.consumers)) {
		return 0, 0, 0, fmt.Errorf("a message for consumer %d", p.m.ConsumerID)
	}
	if messages = p.sub.Messages; messages == 0 {
		entry, err := wire.ParsePayload(f.Payload)
		if err == nil {
			err = p.metadata.Decode(entry.Metadata)
		}
		if err != nil {
			return 0, 0, 0, err
		}
		messages = int(p.metadata.Messages)
	}
	if p.sub.Each != nil {
		if err := p.sub.Each(f.Payload); err != nil {
			return 0, 0, 0, err
		}
	}
	c := &p.consumers[p.m.ConsumerID]
	c.last, c.owed = p.m.ID, true
	c.used += uint32(messages)
	if c.used >= p.sub.Permits/2 {
		l := wire.Flow{ConsumerID: p.m.ConsumerID, Permits: c.used}
		p.out = l.AppendFrame(p.out)
		c.used = 0
	}
	p.acknowledge()
	if len(p.out) > 0 {
		_, err = nc.Write(p.out)
		p.out = p.out[:0]
	}
	return n, messages, len(f.Payload), err
}

// acknowledge queues cumulative acknowledgements of all topics when it is time.
func (p *pulsarConsumer) acknowledge() {
	if p.since++; p.since < 16 || p.sub.NoAcks {
		return
	}
	p.since = 0
	now := time.Now()
	if now.Sub(p.ackAt) < ackEvery {
		return
	}
	p.ackAt = now
	for i := range p.consumers {
		c := &p.consumers[i]
		if !c.owed {
			continue
		}
		a := wire.Ack{ConsumerID: uint64(i), Cumulative: true, IDs: []wire.MessageID{c.last}}
		p.out = a.AppendFrame(p.out)
		c.owed = false
	}
}

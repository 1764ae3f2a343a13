package server

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/internal/fault"
)

// PRODUCER attaches a producer. Answered with PRODUCER_SUCCESS; twice when it has to wait to become exclusive.
//
// Not done: encryption is not demanded; transactions are refused when a SEND has one.
func handleProducer(c *conn, kind wire.Type, body []byte) error {
	m := &pb.Producer{}
	if err := wire.DecodeBody(kind, body, m); err != nil {
		return fault.CommandMalformed.New("%w", err)
	}
	p, had, busy := c.newProducer(m.GetProducerId())
	switch {
	case busy != nil:
		c.fail(m.GetRequestId(), busy)
		return nil
	case had != nil: // the client asks again for what it has
		had.RequestId = m.RequestId
		c.reply(wire.TypeProducerSuccess, had)
		return nil
	}
	c.request(func(ctx context.Context) {
		tp, s, err := c.addProducer(ctx, p, m)
		if err != nil {
			p.abandon(m.GetRequestId(), err)
			return
		}
		p.answer(tp, s)
		c.settle(p.drop)
	})
	return nil
}

// newProducer makes room for a producer id; or returns what its producer was answered, or an error while it is being made.
func (c *conn) newProducer(id uint64) (*producer, *pb.ProducerSuccess, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leaving {
		return nil, nil, fault.ShuttingDown.New("")
	}
	if p := c.producers[id]; p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.answered || p.going {
			return nil, nil, fault.HandleBusy.New("producer %d", id)
		}
		return nil, proto.CloneOf(p.success), nil
	}
	p := &producer{c: c, id: id}
	if left := c.left[id]; left.expected(time.Now()) {
		p.resend = left
	}
	c.producers[id] = p
	delete(c.left, id)
	return p, nil, nil
}

// leftLocked remembers a producer id that is gone: what still comes for it is dropped. Called with c.mu.
func (c *conn) leftLocked(id uint64, r resend) {
	if len(c.left) > 100_000 { // a client that makes producers without end; what it still sends on the old ones ends it
		clear(c.left)
	}
	c.left[id] = r
}

func (c *conn) addProducer(ctx context.Context, p *producer, m *pb.Producer) (*topic.Producer, *pb.ProducerSuccess, error) {
	n, err := topic.ParseName(m.GetTopic())
	if err != nil {
		return nil, nil, err
	}
	if err := c.s.o.Authorize(ctx, c.principal, Produce, n.String()); err != nil {
		return nil, nil, err
	}
	t, err := c.s.o.Topics.Get(ctx, n, true)
	if err != nil {
		return nil, nil, err
	}
	success := func(a topic.Admission) *pb.ProducerSuccess {
		return &pb.ProducerSuccess{
			RequestId: m.RequestId, ProducerName: &a.Name, LastSequenceId: &a.LastSequence,
			SchemaVersion: orEmpty(a.SchemaVersion), TopicEpoch: a.TopicEpoch, ProducerReady: &a.Ready,
		}
	}
	tp, admission, err := t.AddProducer(ctx, topic.ProducerOptions{
		ID: p.id, Name: m.GetProducerName(), Epoch: m.GetEpoch(),
		Mode: m.GetProducerAccessMode(), Receipts: p, TopicEpoch: m.TopicEpoch,
		Ready: func(tp *topic.Producer, a topic.Admission, err error) {
			if err != nil {
				p.abandon(m.GetRequestId(), err)
				return
			}
			p.answer(tp, success(a))
			c.settle(p.drop)
		},
		Schema: schemaOf(m.GetSchema()), InitialSubscription: m.GetInitialSubscriptionName(), Metadata: keyValues(m.GetMetadata()),
		Address: c.nc.RemoteAddr().String(), ClientVersion: c.clientVersion,
	})
	if err != nil {
		return nil, nil, err
	}
	return tp, success(admission), nil
}

// orEmpty: clients expect the field to be there.
func orEmpty(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// settle drops what was made for a connection that ended meanwhile.
func (c *conn) settle(drop func()) {
	if c.ctx.Err() != nil {
		drop()
	}
}

package topicio

import (
	"context"
	"fmt"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/connectors"
)

// producer publishes entries to one topic (or partition) under one name.
type producer struct {
	conn  *conn
	id    uint64
	topic string
	name  string

	// last is the highest sequence id known to be persisted under the name when the producer was made, or sent since; -1: none.
	last int64
	// lease is what the name is held under, nil if for good; the sink's.
	lease *connectors.Lease

	mu      sync.Mutex
	pending []pending // sent and not answered, in order
	err     error
}

type pending struct {
	sequence uint64
	flight   *flight
}

// flight is a set of entries sent together; it ends when all of them are answered.
type flight struct {
	mu   sync.Mutex
	left int
	err  error // the first
	done chan struct{}
}

func newFlight(entries int) *flight { return &flight{left: entries, done: make(chan struct{})} }

func (f *flight) landed(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil && f.err == nil {
		f.err = err
	}
	if f.left--; f.left == 0 {
		close(f.done)
	}
}

func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// produce registers a producer. name may be empty: the broker makes one up. initial, when not empty, is a subscription to make with it.
func (c *Client) produce(ctx context.Context, topic, name, initial string) (*producer, error) {
	k, err := c.owner(ctx, topic)
	if err != nil {
		return nil, err
	}
	p := &producer{conn: k, id: k.newID(), topic: topic}
	k.mu.Lock()
	k.producers[p.id] = p
	k.mu.Unlock()
	var m pb.ProducerSuccess
	err = k.request(ctx, wire.TypeProducer, func(id uint64) proto.Message {
		q := &pb.Producer{Topic: &topic, ProducerId: &p.id, RequestId: &id, UserProvidedProducerName: proto.Bool(name != "")}
		if name != "" {
			q.ProducerName = &name
		}
		if initial != "" {
			q.InitialSubscriptionName = &initial
		}
		return q
	}, &m)
	if err != nil {
		k.mu.Lock()
		delete(k.producers, p.id)
		k.mu.Unlock()
		if ctx.Err() != nil { // the broker may have made it all the same: it must not hold the name for ever
			id := k.newID()
			_ = k.send(wire.AppendCommand(nil, wire.TypeCloseProducer, &pb.CloseProducer{ProducerId: &p.id, RequestId: &id}))
		}
		return nil, err
	}
	p.name, p.last = m.GetProducerName(), m.GetLastSequenceId()
	return p, nil
}

// sendLocked puts an entry on the wire behind what was sent before. first and last are its sequence ids. The entry's bytes are the caller's again at return; the answer goes to f.
// The conn's write lock must be held, so that the order of pending is that of the wire.
func (p *producer) sendLocked(entry []byte, first, last uint64, messages int32, f *flight) error {
	p.mu.Lock()
	if p.err != nil {
		p.mu.Unlock()
		return p.err
	}
	p.pending = append(p.pending, pending{first, f})
	p.mu.Unlock()
	s := wire.Send{ProducerID: p.id, SequenceID: first, NumMessages: messages}
	if last != first {
		s.Highest = last
	}
	c := p.conn
	c.out = s.AppendFrame(c.out, len(entry))
	c.out = append(c.out, entry...)
	if len(c.out) >= flushAt {
		return c.flushLocked()
	}
	return nil
}

// flushAt is how much is gathered before it is written.
const flushAt = 256 << 10

func (c *conn) flushLocked() error {
	if len(c.out) == 0 {
		return nil
	}
	err := c.writeLocked(c.out)
	c.out = c.out[:0]
	if cap(c.out) > 4*flushAt {
		c.out = nil
	}
	return err
}

// receipt ends the oldest pending entry.
func (p *producer) receipt(sequence uint64, err error) error {
	p.mu.Lock()
	if len(p.pending) == 0 || p.pending[0].sequence != sequence {
		p.mu.Unlock()
		return fmt.Errorf("%s: receipt for sequence %d out of turn", p.topic, sequence)
	}
	f := p.pending[0].flight
	p.pending = p.pending[1:]
	p.mu.Unlock()
	f.landed(err)
	return nil
}

// fail ends all pending entries: nobody knows whether they are stored.
func (p *producer) fail(err error) {
	p.mu.Lock()
	p.err = err
	list := p.pending
	p.pending = nil
	p.mu.Unlock()
	for _, e := range list {
		e.flight.landed(err)
	}
}

func (p *producer) close(ctx context.Context) error {
	err := p.conn.request(ctx, wire.TypeCloseProducer, func(id uint64) proto.Message {
		return &pb.CloseProducer{ProducerId: &p.id, RequestId: &id}
	}, nil)
	p.conn.mu.Lock()
	delete(p.conn.producers, p.id)
	p.conn.mu.Unlock()
	return err
}

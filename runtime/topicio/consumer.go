package topicio

import (
	"context"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
)

// Subscription says how a source reads its topics.
type Subscription struct {
	Name     string
	Ordered  bool // Failover, so that one instance at a time reads a partition; else Shared
	Earliest bool // where a new subscription begins; else at the end
	Consumer string
}

// arrival is one entry as it came.
type arrival struct {
	from    *consumer
	id      wire.MessageID
	resent  uint32
	ackSet  []int64
	payload []byte // broker entry metadata and entry; owned by whoever gets the arrival
}

// consumer reads one topic (or partition).
type consumer struct {
	conn      *conn
	id        uint64
	topic     string
	partition int32
	window    uint32 // permits granted ahead
	into      *inbox

	mu      sync.Mutex
	granted uint32 // messages handed out since the last FLOW
	chunks  chunks // parts of large messages; touched by the source's reader only
}

// inbox gathers the arrivals of all consumers of a source.
type inbox struct {
	mu    sync.Mutex
	queue []arrival
	err   error
	wake  chan struct{} // one token: something changed
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

func (b *inbox) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take waits until something is there and returns all of it; spare is memory for the next arrivals.
func (b *inbox) take(ctx context.Context, spare []arrival) ([]arrival, error) {
	for {
		b.mu.Lock()
		if len(b.queue) > 0 {
			out := b.queue
			b.queue = spare[:0]
			b.mu.Unlock()
			return out, nil
		}
		err := b.err
		b.mu.Unlock()
		if err != nil {
			return nil, err
		}
		select {
		case <-b.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// consume subscribes to one topic as s says, and grants window messages.
func (c *Client) consume(ctx context.Context, topic string, partition int32, s Subscription, window uint32, into *inbox) (*consumer, error) {
	return c.subscribe(ctx, topic, partition, window, into, func(q *pb.Subscribe) {
		q.Subscription, q.ConsumerName = &s.Name, &s.Consumer
		q.SubType, q.InitialPosition = pb.Subscribe_SHARED.Enum(), pb.Subscribe_LATEST.Enum()
		if s.Ordered {
			q.SubType = pb.Subscribe_FAILOVER.Enum()
		}
		if s.Earliest {
			q.InitialPosition = pb.Subscribe_EARLIEST.Enum()
		}
	})
}

// subscribe makes a consumer; fill completes the request.
func (c *Client) subscribe(ctx context.Context, topic string, partition int32, window uint32, into *inbox, fill func(*pb.Subscribe)) (*consumer, error) {
	k, err := c.owner(ctx, topic)
	if err != nil {
		return nil, err
	}
	r := &consumer{conn: k, id: k.newID(), topic: topic, partition: partition, window: window, into: into}
	k.mu.Lock()
	k.consumers[r.id] = r
	k.mu.Unlock()
	err = k.request(ctx, wire.TypeSubscribe, func(id uint64) proto.Message {
		q := &pb.Subscribe{Topic: &topic, ConsumerId: &r.id, RequestId: &id, Durable: proto.Bool(true)}
		fill(q)
		return q
	}, nil)
	if err == nil {
		err = r.flow(window)
	}
	if err != nil {
		k.mu.Lock()
		delete(k.consumers, r.id)
		k.mu.Unlock()
		if ctx.Err() != nil { // the broker may have made it all the same: it must not hold the subscription for ever
			id := k.newID()
			_ = k.send(wire.AppendCommand(nil, wire.TypeCloseConsumer, &pb.CloseConsumer{ConsumerId: &r.id, RequestId: &id}))
		}
		return nil, err
	}
	return r, nil
}

func (r *consumer) arrived(m *wire.Message, payload []byte) {
	a := arrival{from: r, id: m.ID, resent: m.Redelivery, payload: payload}
	if len(m.AckSet) > 0 {
		a.ackSet = append([]int64(nil), m.AckSet...)
	}
	r.into.mu.Lock()
	r.into.queue = append(r.into.queue, a)
	r.into.mu.Unlock()
	r.into.signal()
}

// handedOut counts messages that left the inbox, and grants more once half of the window is used.
func (r *consumer) handedOut(messages int32) error {
	r.mu.Lock()
	r.granted += uint32(messages)
	n := r.granted
	if n < r.window/2 {
		r.mu.Unlock()
		return nil
	}
	r.granted = 0
	r.mu.Unlock()
	return r.flow(n)
}

func (r *consumer) flow(permits uint32) error {
	f := wire.Flow{ConsumerID: r.id, Permits: permits}
	return r.conn.send(f.AppendFrame(nil))
}

// ack acknowledges entries as done; nobody waits for an answer: what is lost with the connection is delivered again.
func (r *consumer) ack(ids []wire.MessageID) error {
	a := wire.Ack{ConsumerID: r.id, IDs: ids}
	return r.conn.send(a.AppendFrame(nil))
}

func (r *consumer) fail(err error) {
	r.into.mu.Lock()
	if r.into.err == nil {
		r.into.err = err
	}
	r.into.mu.Unlock()
	r.into.signal()
}

// close leaves the subscription; what is not acknowledged goes to others.
func (r *consumer) close(ctx context.Context) error {
	r.conn.mu.Lock()
	delete(r.conn.consumers, r.id)
	r.conn.mu.Unlock()
	return r.conn.request(ctx, wire.TypeCloseConsumer, func(id uint64) proto.Message {
		return &pb.CloseConsumer{ConsumerId: &r.id, RequestId: &id}
	}, nil)
}

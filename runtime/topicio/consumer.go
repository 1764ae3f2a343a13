package topicio

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/connectors"
)

// Subscription says how a source reads its topics.
type Subscription struct {
	Name     string
	Ordered  bool // Failover, so that one instance at a time reads a partition; else Shared
	Earliest bool // where a new subscription begins; else at the end
	Consumer string
}

// window is the most messages a consumer may be sent ahead of the loop.
const window = 1000

// turn is an unbroken time in which a consumer is the one that gets the entries of its partition.
type turn struct {
	lease connectors.Lease
	begun bool // an entry of it was named; the source's reader's
}

// consumer reads one topic (or partition).
type consumer struct {
	conn      *conn
	id        uint64
	topic     string
	partition int32
	into      *inbox
	ordered   bool   // one consumer at a time gets entries, in order
	leased    bool   // its turns matter
	chunks    chunks // parts of large messages; the source's reader's

	// Guarded by into.mu:

	turn      *turn
	ahead     int32 // messages that it may still be sent or that wait in the inbox; below 0 after a batch larger than what was left
	last      wire.MessageID
	queued    bool   // last is set
	epoch     uint64 // of the requests to deliver again; what comes under an older one is void
	full      bool   // it drops what comes
	forgotten int32  // messages dropped
	skipped   int32  // messages passed over
	again     []*pb.MessageId
}

// consume subscribes to one topic as s says. leased: whoever gets the arrivals wants to know of the turns.
func (c *Client) consume(ctx context.Context, topic string, partition int32, s Subscription, leased bool, into *inbox) (*consumer, error) {
	r := &consumer{topic: topic, partition: partition, ordered: s.Ordered, leased: leased, into: into}
	return r, c.subscribe(ctx, r, func(q *pb.Subscribe) {
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

// subscribe connects a consumer and grants its first window; fill completes the request.
func (c *Client) subscribe(ctx context.Context, r *consumer, fill func(*pb.Subscribe)) error {
	k, err := c.owner(ctx, r.topic)
	if err != nil {
		return err
	}
	r.conn, r.id = k, k.newID()
	if !k.addConsumer(r) {
		return k.failure()
	}
	err = k.request(ctx, wire.TypeSubscribe, func(id uint64) proto.Message {
		q := &pb.Subscribe{Topic: &r.topic, ConsumerId: &r.id, RequestId: &id, Durable: proto.Bool(true)}
		fill(q)
		return q
	}, nil)
	if err == nil {
		r.into.mu.Lock()
		r.into.consumers++
		r.into.mu.Unlock()
		err = r.handedOut(0)
	}
	if err != nil {
		k.mu.Lock()
		delete(k.consumers, r.id)
		k.mu.Unlock()
		if ctx.Err() != nil { // the broker may have made it all the same: it must not hold the subscription for ever
			id := k.newID()
			_ = k.send(wire.AppendCommand(nil, wire.TypeCloseConsumer, &pb.CloseConsumer{ConsumerId: &r.id, RequestId: &id}))
		}
	}
	return err
}

// arrived queues an entry. It is called on the connection's reader, which must not wait for anything to be sent.
func (r *consumer) arrived(m *wire.Message, payload []byte) {
	b := r.into
	b.mu.Lock()
	switch {
	case r.ordered && m.Epoch < r.epoch, r.ordered && r.queued && !follows(m.ID, r.last):
		// It was under way when it was asked for again, or was queued before and comes with what was not.
		r.skipped += messagesOf(payload)
		b.owed = append(b.owed, r)
	case r.full, b.bytes > 0 && b.bytes+int64(len(payload)) > b.limit:
		r.dropLocked(m.ID, messagesOf(payload))
	default:
		r.queueLocked(m, payload)
	}
	b.mu.Unlock()
	b.signal()
}

func (r *consumer) queueLocked(m *wire.Message, payload []byte) {
	b := r.into
	a := arrival{from: r, id: m.ID, resent: m.Redelivery, payload: payload}
	if len(m.AckSet) > 0 {
		a.ackSet = append([]int64(nil), m.AckSet...)
	}
	if r.leased {
		if r.turn == nil { // a broker that does not say who is active
			r.turn = &turn{}
		}
		a.turn = r.turn
	}
	b.queue = append(b.queue, a)
	b.bytes += int64(len(payload))
	r.last, r.queued = m.ID, true
}

func follows(a, b wire.MessageID) bool {
	return a.Ledger > b.Ledger || a.Ledger == b.Ledger && a.Entry > b.Entry
}

// dropLocked forgets an entry for which there is no room. From then on everything is dropped, so that order holds, until it is resumed.
func (r *consumer) dropLocked(id wire.MessageID, messages int32) {
	if !r.full {
		r.full = true
		r.into.dropping = append(r.into.dropping, r)
	}
	r.forgotten += messages
	if !r.ordered {
		r.again = append(r.again, &pb.MessageId{LedgerId: proto.Uint64(uint64(id.Ledger)), EntryId: proto.Uint64(uint64(id.Entry)), Partition: &r.partition})
	}
}

// resume asks for what was dropped. Where order is kept that is everything not acknowledged; what is in the inbox or behind it comes again and is passed over.
func (r *consumer) resume() error {
	b := r.into
	q := &pb.RedeliverUnacknowledged{ConsumerId: &r.id}
	b.mu.Lock()
	r.full = false
	q.MessageIds, r.again = r.again, nil
	if r.ordered {
		r.epoch++
		q.ConsumerEpoch = &r.epoch
	}
	frame := wire.AppendCommand(nil, wire.TypeRedeliverUnacknowledged, q)
	forgotten := r.forgotten
	r.forgotten = 0
	b.mu.Unlock()
	if err := r.conn.send(frame); err != nil {
		return err
	}
	return r.handedOut(forgotten)
}

// messagesOf is how many messages an entry holds.
func messagesOf(payload []byte) int32 {
	var m wire.Metadata
	_, rest, _, err := wire.CutBrokerEntry(payload)
	if err != nil {
		return 1
	}
	p, err := wire.ParsePayload(rest)
	if err != nil || m.Decode(p.Metadata) != nil {
		return 1
	}
	return max(m.Messages, 1)
}

// activeChanged begins or ends a turn, on the connection's reader.
func (r *consumer) activeChanged(active bool) {
	b := r.into
	b.mu.Lock()
	defer b.mu.Unlock()
	r.endTurnLocked()
	r.queued = false // all that is not acknowledged comes again
	if active && r.leased {
		r.turn = &turn{}
	}
}

func (r *consumer) endTurnLocked() {
	if r.turn != nil {
		r.turn.lease.Lose()
		r.turn = nil
	}
}

// settle takes what was passed over off the window.
func (r *consumer) settle() error {
	r.into.mu.Lock()
	n := r.skipped
	r.skipped = 0
	r.into.mu.Unlock()
	return r.handedOut(n)
}

// handedOut counts messages that left the inbox, and grants more when half of the window is used.
func (r *consumer) handedOut(messages int32) error {
	b := r.into
	b.mu.Lock()
	r.ahead -= messages
	want := b.windowLocked()
	grant := want - r.ahead
	if grant < (want+1)/2 {
		b.mu.Unlock()
		return nil
	}
	r.ahead = want
	b.mu.Unlock()
	return r.flow(uint32(grant))
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
	r.endTurnLocked()
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
	r.into.mu.Lock()
	r.endTurnLocked()
	r.into.mu.Unlock()
	return r.conn.request(ctx, wire.TypeCloseConsumer, func(id uint64) proto.Message {
		return &pb.CloseConsumer{ConsumerId: &r.id, RequestId: &id}
	}, nil)
}

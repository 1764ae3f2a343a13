package server

import (
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/subscription"
	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
)

// consumer is one consumer of a connection: what a consumer_id stands for. It is the subscription.Outlet of its
// subscription.Consumer.
type consumer struct {
	c         *conn
	id        uint64
	partition int32 // of its topic; -1: none
	topic     *topic.Topic

	mu       sync.Mutex // guards all below; taken under the subscription's lock, before the output's
	sc       *subscription.Consumer
	answered bool // SUBSCRIBE was; before that, what the subscription says waits
	gone     bool // detached: nothing is said about it any more
	active   *bool
	ended    bool
	away     bool
}

// attached is the subscription's consumer; nil before SUBSCRIBE is answered and after the end.
func (u *consumer) attached() *subscription.Consumer {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.answered || u.gone {
		return nil
	}
	return u.sc
}

const messageMax = 128 // more than a MESSAGE command without its ack set

// Deliver queues MESSAGE commands; small payloads are copied, large ones go out by reference.
func (u *consumer) Deliver(_ *subscription.Consumer, ds []subscription.Delivery) {
	o := u.c.out
	m := wire.Message{ConsumerID: u.id}
	o.Lock()
	for i := range ds {
		d := &ds[i]
		payload := d.Payload
		if !u.c.entryMetadata {
			if n := wire.BrokerEntrySize(payload.B); n > 0 {
				payload = payload.Slice(n, len(payload.B))
			}
		}
		m.ID = wire.MessageID{Ledger: d.Position.Ledger, Entry: d.Position.Entry, Partition: u.partition, BatchIndex: -1}
		m.Redelivery, m.AckSet = d.Redelivery, d.AckSet
		m.Epoch, m.HasEpoch = d.Epoch, d.Epoch > 0
		o.Commit(m.AppendFrame(o.Room(messageMax+11*len(d.AckSet)), len(payload.B)))
		o.Payload(payload)
		payload.Release()
	}
	o.UnlockPaced()
}

// Congested reports whether so much output waits that dispatch must pause.
func (u *consumer) Congested() bool { return u.c.out.Full() }

// ActiveChanged tells the client whether this consumer is the active one.
func (u *consumer) ActiveChanged(_ *subscription.Consumer, active bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.active = &active
	u.tellLocked()
}

// EndOfTopic tells the client that nothing more will come.
func (u *consumer) EndOfTopic(*subscription.Consumer) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ended = true
	u.tellLocked()
}

// Disconnect asks the client to subscribe again.
func (u *consumer) Disconnect(*subscription.Consumer) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.away = true
	u.tellLocked()
}

// tellLocked says what there is to say, once SUBSCRIBE is answered.
func (u *consumer) tellLocked() {
	if !u.answered || u.gone {
		return
	}
	if u.active != nil && u.c.version >= 12 {
		u.c.reply(wire.TypeActiveConsumerChange, &pb.ActiveConsumerChange{ConsumerId: &u.id, IsActive: u.active})
	}
	u.active = nil
	if u.ended && u.c.version >= 9 {
		u.c.reply(wire.TypeReachedEndOfTopic, &pb.ReachedEndOfTopic{ConsumerId: &u.id})
	}
	u.ended = false
	if u.away {
		u.gone = true
		u.remove()
		if u.c.version < 5 { // a client too old to be asked: it notices when the connection ends
			u.c.stop()
			return
		}
		u.c.reply(wire.TypeCloseConsumer, &pb.CloseConsumer{ConsumerId: &u.id, RequestId: proto.Uint64(noRequest)})
	}
}

func (u *consumer) remove() {
	u.c.mu.Lock()
	if u.c.consumers[u.id] == u {
		delete(u.c.consumers, u.id)
	}
	u.c.mu.Unlock()
}

// answer sends SUCCESS and then what was said meanwhile.
func (u *consumer) answer(sc *subscription.Consumer, s *pb.Success) {
	u.mu.Lock()
	u.sc, u.answered = sc, true
	u.c.reply(wire.TypeSuccess, s)
	u.tellLocked()
	away := u.gone
	u.mu.Unlock()
	if away {
		_ = sc.Close()
	}
}

// sendAway detaches the consumer and asks the client to go elsewhere.
func (u *consumer) sendAway() {
	u.mu.Lock()
	sc := u.sc
	u.mu.Unlock()
	if sc != nil {
		_ = sc.Close()
	}
	u.Disconnect(sc)
}

// drop detaches the consumer because the client closed it or the connection is gone.
func (u *consumer) drop() {
	u.mu.Lock()
	u.gone = true
	sc := u.sc
	u.mu.Unlock()
	u.remove()
	if sc != nil {
		_ = sc.Close()
	}
}

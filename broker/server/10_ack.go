package server

import (
	"github.com/strobemq/strobe/broker/subscription"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
)

// ACK acknowledges messages. Answered with ACK_RESPONSE when it has a request id.
//
// Not done: transactions.

// ackList is acknowledgements of one consumer that one read brought; the subscription gets them with one call.
type ackList struct {
	consumer *consumer
	list     []subscription.Ack
	words    []int64  // what the ack sets are slices of
	requests []uint64 // waiting for ACK_RESPONSE
}

// handleAck adds an ACK to the list; a cumulative one, and one of another consumer, begins a new list.
func (c *conn) handleAck(body []byte) error {
	a := &c.ack
	if err := a.Decode(body); err != nil {
		return fault.CommandMalformed.New("%w", err)
	}
	u := c.consumer(a.ConsumerID)
	switch {
	case u == nil:
		// Expected for a while after a seek, an unload or a close.
		c.ackResponse(a, fault.ConsumerUnknown.New("ACK of consumer %d", a.ConsumerID))
		return nil
	case a.Txn:
		c.ackResponse(a, fault.TransactionsUnsupported.New("ACK of consumer %d", a.ConsumerID))
		return nil
	case a.Cumulative:
		c.acknowledge()
		c.addAcks(u, a)
		c.acknowledgeAs(true)
		return nil
	case c.acks.consumer != u:
		c.acknowledge()
	}
	c.addAcks(u, a)
	return nil
}

func (c *conn) addAcks(u *consumer, a *wire.Ack) {
	l := &c.acks
	l.consumer = u
	for i := range a.IDs {
		id := &a.IDs[i]
		if c.s.o.NoBatchIndexAck && len(id.AckSet) > 0 {
			if !a.Cumulative {
				continue
			}
			// Everything before the batch is acknowledged in any case.
			l.list = append(l.list, subscription.Ack{Position: bk.Position{Ledger: id.Ledger, Entry: id.Entry - 1}})
			continue
		}
		ack := subscription.Ack{Position: bk.Position{Ledger: id.Ledger, Entry: id.Entry}}
		if len(id.AckSet) > 0 {
			l.words = append(l.words, id.AckSet...)
			ack.AckSet = l.words[len(l.words)-len(id.AckSet):] // only the length counts: words may still move
		}
		l.list = append(l.list, ack)
	}
	if a.HasRequest {
		l.requests = append(l.requests, a.RequestID)
	}
}

// acknowledge hands the list on.
func (c *conn) acknowledge() { c.acknowledgeAs(false) }

func (c *conn) acknowledgeAs(cumulative bool) {
	l := &c.acks
	if l.consumer == nil {
		return
	}
	at := 0
	for i := range l.list {
		if n := len(l.list[i].AckSet); n > 0 {
			l.list[i].AckSet = l.words[at : at+n : at+n]
			at += n
		}
	}
	var err error
	if sc := l.consumer.attached(); sc == nil {
		err = fault.ConsumerUnknown.New("ACK of consumer %d", l.consumer.id)
	} else if len(l.list) > 0 {
		err = sc.Ack(l.list, cumulative)
	}
	if len(l.requests) > 0 {
		r := wire.Ack{ConsumerID: l.consumer.id, HasRequest: true}
		for _, r.RequestID = range l.requests {
			c.ackResponse(&r, err)
		}
	}
	l.consumer = nil
	l.list, l.words, l.requests = kept(l.list), kept(l.words), kept(l.requests)
}

// kept empties a list and keeps its memory unless it is a rare giant.
func kept[T any](s []T) []T {
	if cap(s) > 4096 {
		return nil
	}
	clear(s)
	return s[:0]
}

// ackResponse answers an ACK that asks for it.
func (c *conn) ackResponse(a *wire.Ack, err error) {
	if !a.HasRequest {
		return
	}
	m := &pb.AckResponse{ConsumerId: &a.ConsumerID, RequestId: &a.RequestID}
	if a.Txn {
		m.TxnidLeastBits, m.TxnidMostBits = &a.TxnLeast, &a.TxnMost
	}
	if err != nil {
		code, text := refusal(err)
		m.Error, m.Message = &code, &text
	}
	c.reply(wire.TypeAckResponse, m)
}

// consumer finds the consumer of a command; nil when there is none, or none any more.
func (c *conn) consumer(id uint64) *consumer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.consumers[id]
}

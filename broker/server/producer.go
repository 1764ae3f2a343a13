package server

import (
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
)

// producer is one producer of a connection: what a producer_id stands for. It is the topic.Receipts of its topic.Producer.
type producer struct {
	c  *conn
	id uint64

	mu        sync.Mutex // guards all below; before the output's
	tp        *topic.Producer
	success   *pb.ProducerSuccess // what PRODUCER was answered
	answered  bool                // and that it was
	going     bool                // takes nothing more, and ends when all it took is answered
	ended     bool
	request   *uint64 // the CLOSE_PRODUCER that asked for the end; nil: the broker did
	submitted uint64
	completed uint64
	// refused are answers for SENDs that never reached the topic; each waits for the publishes before it, because clients
	// expect answers in order.
	refused []refusedSend
	resend  resend
	settled bool // resend need not be asked any more
}

type refusedSend struct {
	after uint64 // publishes submitted before it
	e     wire.SendError
}

// maxRefused bounds the answers that wait behind one slow publish.
const maxRefused = 10_000

// admit counts one SEND in and returns the topic's producer; nil when the SEND is to be dropped, because the client will send it
// again.
func (p *producer) admit(sequence uint64) *topic.Producer {
	p.mu.Lock()
	if p.answered && !p.going && !p.settled {
		switch p.resend.judge(sequence, time.Now()) {
		case drop:
			p.mu.Unlock()
			return nil
		case again:
			p.mu.Unlock()
			p.end(nil)
			return nil
		}
		p.settled = true
		p.resend = resend{highest: p.resend.highest}
	}
	defer p.mu.Unlock()
	if !p.answered || p.going {
		p.resend.dropped(sequence, time.Now())
		return nil
	}
	p.resend.highest = max(p.resend.highest, sequence)
	p.submitted++
	return p.tp
}

// refuse answers a SEND with an error, in its turn. false when too many such answers wait.
func (p *producer) refuse(e wire.SendError) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.going {
		return true
	}
	if len(p.refused) == maxRefused {
		return false
	}
	p.refused = append(p.refused, refusedSend{after: p.submitted, e: e})
	p.c.out.Lock()
	p.answerRefusedLocked()
	p.c.written()
	return true
}

// answerRefusedLocked writes the refusals whose turn it is. Called with p.mu and the output's lock.
func (p *producer) answerRefusedLocked() {
	for len(p.refused) > 0 && p.refused[0].after <= p.completed {
		p.writeErrorLocked(&p.refused[0].e)
		p.refused = p.refused[1:]
	}
	if len(p.refused) == 0 {
		p.refused = nil
	}
}

const receiptMax = 128 // more than any SEND_RECEIPT, and any other frame of a few numbers

func (p *producer) writeErrorLocked(e *wire.SendError) {
	o := p.c.out
	o.Commit(e.AppendFrame(o.Room(receiptMax + len(e.Message))))
}

// Receipts answers publishes that the topic has done with: one append to the output for the whole list.
func (p *producer) Receipts(done []*topic.Publish) {
	o := p.c.out
	bytes := int64(0)
	again := false // a fresh lookup cures it
	p.mu.Lock()
	o.Lock()
	for _, d := range done {
		p.answerRefusedLocked()
		p.completed++
		bytes += int64(len(d.Data.B))
		switch {
		case d.Err == nil:
			r := wire.SendReceipt{ProducerID: p.id, SequenceID: d.SequenceID, Highest: d.Highest, Message: wire.MessageID{
				Ledger: d.Position.Ledger, Entry: d.Position.Entry, Partition: -1, BatchIndex: -1,
			}}
			o.Commit(r.AppendFrame(o.Room(receiptMax)))
		default:
			code, text := refusal(d.Err)
			switch code {
			case wire.ServiceNotReady:
				again = true
				p.resend.dropped(d.SequenceID, time.Now())
				continue
			case wire.PersistenceError, wire.TooManyRequests: // the topic sends the producer away
				p.resend.dropped(d.SequenceID, time.Now())
			}
			p.writeErrorLocked(&wire.SendError{ProducerID: p.id, SequenceID: d.SequenceID, Error: code, Message: []byte(text)})
		}
	}
	p.answerRefusedLocked()
	p.c.written()
	p.going = p.going || again
	end := p.endLocked()
	p.mu.Unlock()
	for _, d := range done {
		putPublish(d)
	}
	p.c.gave(bytes)
	if end {
		p.finish()
	}
}

// Disconnect asks the client to create the producer again: the topic is being unloaded, deleted, or was taken over.
func (p *producer) Disconnect(*topic.Producer) { p.sendAway() }

// sendAway takes nothing more and asks the client to go elsewhere once everything taken is answered; earlier, it would send again
// what is already stored.
func (p *producer) sendAway() { p.end(nil) }

// end makes the producer take nothing more and finishes it when everything taken is answered. request is the client's.
func (p *producer) end(request *uint64) {
	p.mu.Lock()
	p.going = true
	if request != nil {
		p.request = request
	}
	end := p.endLocked()
	p.mu.Unlock()
	if end {
		p.finish()
	}
}

// endLocked reports, once, that it is time to finish.
func (p *producer) endLocked() bool {
	if p.ended || !p.going || !p.answered || p.completed != p.submitted {
		return false
	}
	p.ended = true
	return true
}

// finish detaches the producer and says so.
func (p *producer) finish() {
	_ = p.tp.Close()
	p.mu.Lock()
	left := p.resend
	p.mu.Unlock()
	p.c.mu.Lock()
	if p.c.producers[p.id] == p {
		delete(p.c.producers, p.id)
	}
	p.c.leftLocked(p.id, left)
	p.c.mu.Unlock()
	switch {
	case p.request != nil:
		p.c.reply(wire.TypeSuccess, &pb.Success{RequestId: p.request})
	case p.c.version >= 5:
		p.c.reply(wire.TypeCloseProducer, &pb.CloseProducer{ProducerId: &p.id, RequestId: proto.Uint64(noRequest)})
	default: // a client too old to be asked: it notices when the connection ends
		p.c.stop()
	}
	p.c.ended()
}

// answer sends PRODUCER_SUCCESS; a producer that was sent away meanwhile ends after it.
func (p *producer) answer(tp *topic.Producer, s *pb.ProducerSuccess) {
	p.mu.Lock()
	p.tp, p.success, p.answered = tp, s, true
	p.resend.begun = time.Now()
	p.c.reply(wire.TypeProducerSuccess, s)
	end := p.endLocked()
	p.mu.Unlock()
	if end {
		p.finish()
	}
}

// abandon ends a producer that could not be made; whoever asked to close it meanwhile is answered too.
func (p *producer) abandon(request uint64, err error) {
	p.drop()
	p.c.mu.Lock()
	if p.c.producers[p.id] == p {
		delete(p.c.producers, p.id)
	}
	p.c.mu.Unlock()
	p.c.fail(request, err)
	p.mu.Lock()
	closing := p.request
	p.mu.Unlock()
	if closing != nil {
		p.c.reply(wire.TypeSuccess, &pb.Success{RequestId: closing})
	}
	p.c.ended()
}

// drop detaches the producer because the connection is gone.
func (p *producer) drop() {
	p.mu.Lock()
	p.going, p.ended = true, true
	tp := p.tp
	p.mu.Unlock()
	if tp != nil {
		_ = tp.Close()
	}
}

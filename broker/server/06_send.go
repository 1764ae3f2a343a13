package server

import (
	"encoding/binary"
	"time"

	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/internal/fault"
)

// SEND publishes an entry. Answered with SEND_RECEIPT when it is durable, or SEND_ERROR. The checksum is verified before anything is
// stored; the entry itself is not opened.
//
// Not done: transactions.

// entryAt is where in the reader's buffer the bytes behind a command lie.
type entryAt struct {
	in      *inbuf
	at, end int
}

func (e entryAt) bytes() []byte { return e.in.slab.Bytes()[e.at:e.end] }

// handleSend checks a SEND and puts it into its topic's group.
func (c *conn) handleSend(body []byte, entry entryAt) error {
	s := &c.send
	if err := s.Decode(body); err != nil {
		return fault.CommandMalformed.New("%w", err)
	}
	p, err := c.producerFor(s)
	if p == nil {
		return err
	}
	if refused := c.checkEntry(s, entry.bytes()); refused != nil {
		return c.refuseSend(p, s, refused)
	}
	tp := p.admit(s.SequenceID)
	if tp == nil {
		return nil
	}
	pub := publishes.Get().(*topic.Publish)
	pub.Producer, pub.SequenceID, pub.Highest, pub.Messages = tp, s.SequenceID, s.Highest, s.NumMessages
	pub.Data = entry.in.slab.Buf(entry.at, entry.end)
	c.took(len(pub.Data.B))
	c.gather(tp.Topic(), pub)
	return nil
}

// producerFor finds the producer of a SEND. nil without an error: it was sent away and the client may not know yet; what it sends is
// dropped, and sent again once it is back.
func (c *conn) producerFor(s *wire.Send) (*producer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.producers[s.ProducerID]; p != nil {
		return p, nil
	}
	if left, ok := c.left[s.ProducerID]; ok {
		left.dropped(s.SequenceID, time.Now())
		c.left[s.ProducerID] = left
		return nil, nil
	}
	return nil, fault.CommandMalformed.New("SEND on producer %d, which was never created", s.ProducerID)
}

func (c *conn) checkEntry(s *wire.Send, entry []byte) *fault.Error {
	parts, err := wire.ParsePayload(entry)
	switch {
	case err != nil:
		return fault.EntryMalformed.New("producer %d, sequence id %d: %w", s.ProducerID, s.SequenceID, err)
	case parts.Verify() != nil:
		return fault.EntryChecksum.New("producer %d, sequence id %d", s.ProducerID, s.SequenceID)
	case s.Txn:
		return fault.TransactionsUnsupported.New("producer %d, sequence id %d", s.ProducerID, s.SequenceID)
	}
	return nil
}

// refuseSend answers one SEND with an error; the connection goes on.
func (c *conn) refuseSend(p *producer, s *wire.Send, refused *fault.Error) error {
	c.warn(refused)
	c.publish() // what came before it counts as submitted, and must be
	code, text := refusal(refused)
	if !p.refuse(wire.SendError{ProducerID: s.ProducerID, SequenceID: s.SequenceID, Error: code, Message: []byte(text)}) {
		return refused
	}
	return nil
}

// gather puts a publish into the group of its topic.
func (c *conn) gather(t *topic.Topic, pub *topic.Publish) {
	for i := len(c.groups) - 1; i >= 0; i-- {
		if g := &c.groups[i]; g.topic == t {
			g.list = append(g.list, pub)
			return
		}
	}
	// Groups that were used before are used again with their memory.
	if n := len(c.groups); n < cap(c.groups) {
		c.groups = c.groups[:n+1]
		c.groups[n].topic = t
		c.groups[n].list = append(c.groups[n].list[:0], pub)
		return
	}
	c.groups = append(c.groups, group{topic: t, list: []*topic.Publish{pub}})
}

// publish hands every group to its topic.
func (c *conn) publish() {
	for i := range c.groups {
		g := &c.groups[i]
		g.topic.Publish(g.list)
		clear(g.list)
		g.topic, g.list = nil, g.list[:0]
	}
	c.groups = c.groups[:0]
}

const (
	skipMost    = 1 << 30  // a larger frame is no SEND that was meant
	commandMost = 64 << 10 // nor is one with a larger command
)

// tooLarge looks at a frame that exceeds the limit. When it is a SEND of a producer we know, the SEND is answered with an error and skip
// says how many bytes the frame has; need says how many bytes must be there to decide; both 0: it is something else.
func (c *conn) tooLarge(data []byte, total int) (skip, need int) {
	if total <= c.s.o.MaxMessageSize+wire.FramePadding || total > skipMost {
		return 0, 0
	}
	if len(data) < 8 {
		return 0, 8
	}
	command := binary.BigEndian.Uint32(data[4:])
	if command == 0 || command > commandMost {
		return 0, 0
	}
	if len(data) < 8+int(command) {
		return 0, 8 + int(command)
	}
	kind, body, err := wire.Split(data[8 : 8+command])
	if err != nil || kind != wire.TypeSend || c.send.Decode(body) != nil {
		return 0, 0
	}
	p, err := c.producerFor(&c.send)
	if err != nil {
		return 0, 0
	}
	if p != nil {
		err := fault.MessageTooLarge.New("producer %d, sequence id %d: a frame of %d bytes, messages may have %d", p.id, c.send.SequenceID, total, c.s.o.MaxMessageSize)
		if c.refuseSend(p, &c.send, err) != nil {
			return 0, 0
		}
	}
	return total + 4, 0
}

package topic

import (
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/managed"
)

// Publish is one SEND on its way into a topic. The connection pools them; a publish allocates nothing. The connection lends Data
// until the Publish comes back through its Receipts.
type Publish struct {
	Next *Publish // for whoever holds the Publish

	Producer   *Producer
	SequenceID uint64
	Highest    uint64 // highest_sequence_id of the SEND; 0: none, then SequenceID counts
	Messages   int32  // num_messages of the SEND, at least 1
	Data       bk.Buf // as received: [0x0e01 crc] size metadata payload (interop §9.1)

	// Filled at completion:
	Position bk.Position // Duplicate for one that was dropped because it is stored already
	Err      error       // a *Refusal (an answer for SEND_ERROR): the entry is not known to be durable

	op    managed.Op
	head  [64]byte // broker entry metadata in front of Data
	index int64    // of its last message
	sent  sent     // while deduplication is on
	after uint64   // how many publishes of its producer it comes behind
	wait  bool     // for the one it repeats
	link  *Publish
}

// Duplicate is the position of a publish that was dropped because it is stored already.
var Duplicate = bk.Position{Ledger: -1, Entry: -1}

// Receipts is the connection of a producer. Completed publishes of one producer come back in order, in lists, off the topic's
// locks, one call at a time per topic, mostly on the ledger's completing goroutine, but also on the stack of Publish or Close; it
// must not block. The slice belongs to the caller.
type Receipts interface {
	Receipts(done []*Publish)
	// Disconnect asks the client to reconnect this producer (CLOSE_PRODUCER): unload, deletion, fencing, a failed publish. The producer
	// is detached already: what is still sent on it comes back refused.
	Disconnect(p *Producer)
}

// Publish takes the list, in order. It does not block. Publishes of several producers of this topic may stand in one list. The slice is
// the caller's again at return.
//
// After a publish that failed, or was refused for another reason than a closed producer, its producer is detached, because what it
// sent behind that one must not be stored before it is sent again.
func (t *Topic) Publish(list []*Publish) {
	if t.ledger == nil {
		t.publishNow(list)
		return
	}
	t.mu.Lock()
	now := t.r.now().UnixMilli()
	for _, p := range list {
		t.takeLocked(p, now)
	}
	if len(t.ops) > 0 {
		t.ledger.Append(t.ops)
		clear(t.ops)
		t.ops = t.ops[:0]
	}
	t.deliverLocked()
}

// takeLocked decides about one publish and, when it is to be stored, readies its op in t.ops.
func (t *Topic) takeLocked(p *Publish, now int64) {
	p.Position, p.Err, p.wait, p.link = Duplicate, nil, false, nil
	p.Messages = max(p.Messages, 1)
	prod := p.Producer
	if r := t.refusePublishLocked(prod); r != nil {
		t.refusePubLocked(p, r)
		return
	}
	if e := prod.dedup; e != nil {
		e.touched = now
		var ok bool
		if p.sent, ok = t.sentOf(p); !ok {
			t.refusePubLocked(p, refuse(wire.NotAllowedError, fault.PublishMalformed, "%s, producer %q, sequence %d", t.name, prod.o.Name, p.SequenceID))
			return
		}
		switch e.judge(p.sent) {
		case covered:
			t.refusePubLocked(p, refuse(wire.NotAllowedError, fault.PublishCovered, "%s, producer %q: sequence ids %d to %d, stored up to %d",
				t.name, prod.o.Name, p.sent.first, p.sent.highest, e.persisted))
			return
		case duplicate:
			t.duplicates++
			t.finishLocked(p)
			return
		case wait:
			t.duplicates++
			p.wait = true
			t.finishLocked(p)
			return
		}
	}
	t.index += int64(p.Messages)
	p.index = t.index
	p.op.Add.Head = p.head[:0]
	if !t.settings.NoEntryMetadata {
		e := wire.BrokerEntry{Timestamp: now, HasTimestamp: true, Index: t.index, HasIndex: true}
		p.op.Add.Head = e.Append(p.op.Add.Head)
	}
	p.op.Add.Body = p.Data
	p.op.Done, p.op.Ctx, p.op.Err = t, p, nil
	prod.submitted++
	t.pending++
	t.lastPublish = now
	t.ops = append(t.ops, &p.op)
}

// refusePublishLocked is why the producer may not publish now, or nil.
func (t *Topic) refusePublishLocked(p *Producer) *Refusal {
	switch {
	case p.closed:
		if t.state == Terminated {
			return refuse(wire.TopicTerminatedError, fault.TopicTerminated, "%s", t.name)
		}
		return refuse(wire.ServiceNotReady, fault.ProducerClosed, "%s, producer %q", t.name, p.o.Name)
	case t.state == Terminated:
		return refuse(wire.TopicTerminatedError, fault.TopicTerminated, "%s", t.name)
	case t.state != Open:
		return refuse(wire.ServiceNotReady, fault.TopicGoing, "%s is %v", t.name, t.state)
	case p.waiting:
		return refuse(wire.ProducerFenced, fault.ProducerExclusive, "%s, producer %q is waiting", t.name, p.o.Name)
	}
	return nil
}

// sentOf is what deduplication looks at; false when the entry's metadata cannot be read.
func (t *Topic) sentOf(p *Publish) (sent, bool) {
	s := sent{first: int64(p.SequenceID), highest: int64(max(p.SequenceID, p.Highest))}
	pl, err := wire.ParsePayload(p.Data.B)
	if err != nil || t.meta.Decode(pl.Metadata) != nil {
		return s, false
	}
	s.chunked(&t.meta)
	return s, true
}

// chunked notes the chunk that m describes.
func (s *sent) chunked(m *wire.Metadata) {
	if m.Chunks > 1 {
		s.chunk, s.chunks, s.size, s.uuid = m.ChunkID, m.Chunks, m.ChunkSize, string(m.UUID)
	}
}

// refusePubLocked answers a publish with a refusal and detaches its producer.
func (t *Topic) refusePubLocked(p *Publish, r *Refusal) {
	p.Err = r
	t.refused++
	prod := p.Producer
	t.finishLocked(p)
	if !prod.closed && t.state != Terminated {
		t.detachLocked(prod)
	}
}

// finishLocked sends a publish back that needs no storing, behind the ones its producer sent before it.
func (t *Topic) finishLocked(p *Publish) {
	prod := p.Producer
	p.after = prod.submitted
	if prod.later.head == nil && prod.ripe(p) {
		t.outbox = append(t.outbox, p)
		return
	}
	prod.later.push(p)
}

// ripe reports whether a publish that was decided may go back.
func (p *Producer) ripe(pub *Publish) bool {
	return pub.after <= p.completed && (!pub.wait || p.dedup == nil || p.dedup.known(pub.sent))
}

// ripenLocked sends back what has become ripe.
func (t *Topic) ripenLocked(p *Producer) {
	for p.later.head != nil && p.ripe(p.later.head) {
		t.outbox = append(t.outbox, p.later.pop())
	}
}

// Appended takes back stored entries; see managed.Appended.
func (t *Topic) Appended(done []*managed.Op) {
	t.mu.Lock()
	stored := false
	for _, op := range done {
		p := op.Ctx.(*Publish)
		prod := p.Producer
		prod.completed++
		t.pending--
		p.Position, p.Err = op.Position, nil
		if op.Err != nil {
			t.failLocked(p, op.Err)
		} else {
			stored = true
			t.storedLocked(p)
		}
		t.outbox = append(t.outbox, p)
		t.ripenLocked(prod)
		if e := prod.dedup; e != nil && e.current != nil && e.current != prod {
			t.ripenLocked(e.current)
		}
	}
	if stored {
		t.snapshotLocked(false)
	}
	if t.pending == 0 {
		t.quietLocked()
	}
	t.mu.Unlock()
	if stored {
		t.wake()
	}
	t.mu.Lock()
	t.deliverLocked()
}

// storedLocked counts a stored entry.
func (t *Topic) storedLocked(p *Publish) {
	prod := p.Producer
	size := p.op.Add.Len()
	t.stored, t.position = p.index, p.Position
	t.taken++
	t.counters.add(p.Messages, size)
	prod.counters.add(p.Messages, size)
	if t.dedup == nil {
		return
	}
	t.dedup.entries++
	t.dedup.bytes += int64(size)
	if prod.dedup != nil {
		prod.dedup.stored(p.sent, p.Position, t.taken)
	}
}

// failLocked answers a publish that could not be stored. Everybody has to come back: what was sent behind it is refused, until
// nothing is on its way any more and sequence ids and index stand again where the ledger stands.
func (t *Topic) failLocked(p *Publish, err error) {
	p.Err = publishRefusal(t.name, err)
	t.refused++
	if t.halted || t.state != Open {
		return
	}
	t.log.Warn("publish failed", "producer", p.Producer.o.Name, "sequence", p.SequenceID, "err", err)
	t.halted = true
	for _, prod := range t.producers {
		t.detachLocked(prod)
	}
}

// quietLocked is called when nothing is on its way to the ledger.
func (t *Topic) quietLocked() {
	if t.halted {
		t.halted = false
		t.index = t.stored
		if t.dedup != nil {
			t.dedup.settle()
		}
	}
	if t.quiet != nil {
		close(t.quiet)
		t.quiet = nil
	}
}

// deliverLocked hands the outbox to the connections, in runs of one connection, and unlocks. If another goroutine is at it already, that
// one goes on with what was added, so that the order holds.
func (t *Topic) deliverLocked() {
	if t.delivering {
		t.mu.Unlock()
		return
	}
	t.delivering = true
	for len(t.outbox) > 0 || len(t.notices) > 0 {
		done, notices := t.outbox, t.notices
		t.outbox, t.notices = t.spare[:0], nil
		t.mu.Unlock()
		for i := 0; i < len(done); {
			to, j := done[i].Producer.o.Receipts, i+1
			for j < len(done) && done[j].Producer.o.Receipts == to {
				j++
			}
			to.Receipts(done[i:j])
			i = j
		}
		for _, n := range notices {
			n()
		}
		clear(done)
		t.mu.Lock()
		t.spare = done[:0]
	}
	t.delivering = false
	t.mu.Unlock()
}

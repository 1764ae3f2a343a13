package pipeline

import (
	"bufio"
	"encoding/binary"
	"net"
	"sync"

	"github.com/strobemq/strobe/bench/load"
)

// ring is how many entries may be on their way.
const ring = 1 << 16

// broker takes entries, has them stored, and when they are durable acknowledges them and hands them to the consumers.
type broker struct {
	store  func(entries []stored) // may be called by one connection at a time
	stored func()                 // nothing more comes for now

	mu         sync.Mutex
	room       sync.Cond
	entries    [ring]pending
	next, head uint64
	consumers  []*outbox
	dirty      map[*outbox]bool // touched by durable only
	storing    sync.Mutex       // keeps the journal in the order of ids
}

type pending struct {
	from    *outbox
	id      uint64 // the producer's
	payload []byte // its memory is used again
}

func newBroker() *broker {
	b := &broker{dirty: map[*outbox]bool{}}
	b.room.L = &b.mu
	return b
}

// durable acknowledges and delivers, in order.
func (b *broker) durable(ids []uint64) {
	var head [load.PipelineHeader]byte
	b.mu.Lock()
	consumers := b.consumers
	for range ids {
		e := &b.entries[b.head%ring]
		e.from.add(load.AppendPipelineHeader(head[:0], load.PipelineAck, e.id, 0), nil)
		b.dirty[e.from] = true
		for _, c := range consumers {
			c.add(load.AppendPipelineHeader(head[:0], load.PipelineEntry, e.id, len(e.payload)), e.payload)
		}
		b.head++
	}
	b.room.Broadcast()
	b.mu.Unlock()
	for o := range b.dirty {
		o.flush()
		delete(b.dirty, o)
	}
	for _, c := range consumers {
		c.flush()
	}
}

// serve reads one connection to its end.
func (b *broker) serve(nc net.Conn) {
	o := &outbox{nc: nc}
	defer b.leave(o)
	one := make([]stored, 1)
	read(nc, func(kind byte, id uint64, payload []byte) {
		if kind == load.PipelineConsumer {
			o.add(load.AppendPipelineHeader(nil, load.PipelineConsumer, 0, 0), nil)
			b.mu.Lock()
			b.consumers = append(b.consumers[:len(b.consumers):len(b.consumers)], o)
			b.mu.Unlock()
			o.flush()
			return
		}
		b.storing.Lock()
		one[0] = b.accept(o, id, payload)
		b.store(one)
		b.storing.Unlock()
	}, func() { b.stored() })
}

func (b *broker) accept(from *outbox, id uint64, payload []byte) stored {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.next-b.head == ring {
		b.room.Wait()
	}
	e := &b.entries[b.next%ring]
	*e = pending{from: from, id: id, payload: append(e.payload[:0], payload...)}
	b.next++
	return stored{b.next - 1, e.payload}
}

// leave forgets a consumer.
func (b *broker) leave(o *outbox) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var left []*outbox
	for _, c := range b.consumers {
		if c != o {
			left = append(left, c)
		}
	}
	b.consumers = left
}

// read calls each for every frame and idle when no whole header is left to read.
func read(nc net.Conn, each func(kind byte, id uint64, payload []byte), idle func()) {
	r := bufio.NewReaderSize(nc, 1<<20)
	for {
		head, err := r.Peek(4)
		if err != nil {
			return
		}
		n := 4 + int(binary.BigEndian.Uint32(head))
		b, err := r.Peek(n)
		if err != nil {
			return // also when it is longer than the buffer: entries of the measurements are not
		}
		kind, id, payload, _, err := load.CutPipelineFrame(b)
		if err != nil {
			return
		}
		each(kind, id, payload)
		if _, err := r.Discard(n); err != nil {
			return
		}
		if r.Buffered() < load.PipelineHeader {
			idle()
		}
	}
}

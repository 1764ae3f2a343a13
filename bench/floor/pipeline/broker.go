package pipeline

import (
	"bufio"
	"encoding/binary"
	"net"
	"slices"
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
	storing    sync.Mutex // keeps the journal in the order of ids
	direct     delivery   // of the journal in this process
}

// delivery is where one goroutine that releases entries keeps the connections it has to flush.
type delivery struct{ dirty []*outbox }

type pending struct {
	from    *outbox
	id      uint64 // the producer's
	payload []byte // its memory is used again
}

func newBroker() *broker {
	b := &broker{}
	b.room.L = &b.mu
	return b
}

// durable is told by a journal in this process, in order.
func (b *broker) durable(ids []uint64) { b.release(ids[len(ids)-1]+1, &b.direct) }

// release acknowledges and delivers, in order, every entry before end that is not released yet.
func (b *broker) release(end uint64, d *delivery) {
	var head [load.PipelineHeader]byte
	d.dirty = d.dirty[:0]
	b.mu.Lock()
	consumers := b.consumers
	if b.head >= end {
		b.mu.Unlock()
		return
	}
	for ; b.head < end; b.head++ {
		e := &b.entries[b.head%ring]
		e.from.add(load.AppendPipelineHeader(head[:0], load.PipelineAck, e.id, 0), nil)
		if !slices.Contains(d.dirty, e.from) {
			d.dirty = append(d.dirty, e.from)
		}
		for _, c := range consumers {
			c.add(load.AppendPipelineHeader(head[:0], load.PipelineEntry, e.id, len(e.payload)), e.payload)
		}
	}
	b.room.Broadcast()
	b.mu.Unlock()
	for _, o := range d.dirty {
		o.flush()
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

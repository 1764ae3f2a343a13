package postgres

import (
	"sync"

	"github.com/jackc/pglogrepl"
)

// tracker knows which rows were handed out and which are done, and from that how far the position may move: over a prefix, to a place in
// the WAL that has nothing undone before it. One lives as long as one connection; acknowledgements that come later still count for it,
// until the next connection begins.
//
// The rows that are out are bounded by whoever calls Read, which is the loop's limit in flight.
type tracker struct {
	wake chan struct{} // one token: pos moved, or the server wants an answer

	mu         sync.Mutex
	head, tail *batch // handed out, oldest first
	free       *batch // memory for the next ones
	freeCount  int
	pos        position      // everything up to here is done
	received   pglogrepl.LSN // highest LSN that was read
	askedReply bool
	empty      chan struct{} // when not nil: somebody waits until nothing is out
}

// maxFree is how many batches' memory is kept: more than are usually out.
const maxFree = 8

func newTracker(start position) *tracker {
	return &tracker{wake: make(chan struct{}, 1), pos: start, received: start.lsn}
}

// batch returns memory for the next rows.
func (t *tracker) batch() *batch {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.free
	if b == nil {
		return &batch{tracker: t}
	}
	t.free = b.next
	t.freeCount--
	b.reset(t)
	return b
}

// handOut queues a sealed batch.
func (t *tracker) handOut(b *batch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.received = max(t.received, b.mark.lsn)
	if t.tail == nil {
		t.head = b
	} else {
		t.tail.next = b
	}
	t.tail = b
}

// pass notes that the stream has reached p: everything before it was handed out.
func (t *tracker) pass(p position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.received = max(t.received, p.lsn)
	switch {
	case t.tail != nil:
		t.tail.mark = p
	case p.lsn > t.pos.lsn:
		t.pos = p
		t.signal()
	}
}

// reply notes that the server wants to hear from us.
func (t *tracker) reply() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.askedReply = true
	t.signal()
}

func (t *tracker) signal() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// advanceLocked moves the position over the batches at the front that are done.
func (t *tracker) advanceLocked() {
	moved := false
	for t.head != nil && t.head.left == 0 {
		b := t.head
		if b.mark.lsn > t.pos.lsn {
			t.pos, moved = b.mark, true
		}
		t.head = b.next
		b.next = nil
		if t.freeCount < maxFree {
			b.next = t.free
			t.free = b
			t.freeCount++
		}
	}
	if t.head == nil {
		t.tail = nil
		if t.empty != nil {
			close(t.empty)
			t.empty = nil
		}
	}
	if moved {
		t.signal()
	}
}

// progress is what the keeper acts on. Asking takes the server's wish for a reply.
func (t *tracker) progress() (pos position, received pglogrepl.LSN, reply bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	reply, t.askedReply = t.askedReply, false
	return t.pos, max(t.received, t.pos.lsn), reply
}

// drained tells whether nothing is out; if something is, the channel closes when it is all done.
func (t *tracker) drained() (bool, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.head == nil {
		return true, nil
	}
	if t.empty == nil {
		t.empty = make(chan struct{})
	}
	return false, t.empty
}

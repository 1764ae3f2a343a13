package frames

import (
	"net"
	"sync"
	"time"

	"github.com/strobemq/strobe/storage/bk"
)

// copyBelow is the size from which a payload is written by reference and not copied (decisions: buffers).
const copyBelow = 8 << 10

// Out is what waits to be written to one connection. Appending never blocks; one goroutine, Write, empties it.
//
//	segments: [arena part][payload][arena part][payload] ... + the open part of the arena
//
// Append between Lock and Unlock or UnlockPaced: for each frame Commit(append(Room(n), …)), and Payload for what need not be copied.
type Out struct {
	limit, most int

	mu        sync.Mutex // guards all below
	ready     sync.Cond
	arena     *bk.Slab // small pieces are put together here; nil: nothing is
	from, to  int      // the open part of the arena
	next      int      // size of the next arena
	segments  []bk.Buf // each with a reference of its own
	waiting   count    // bytes in segments and the open part
	unwritten count    // waiting and what is being written
	begun     int      // all that waited at Lock
	congested bool     // somebody was told so and waits for drained
	finishing bool     // write what there is, then end
	closed    bool     // throw everything away
}

// count is bytes: all of them, and those that count towards an overflow.
type count struct{ all, pressing int }

// NewOut returns an Out that is full from limit bytes on, and overflows above most (0: never) that were not appended with UnlockPaced.
func NewOut(limit, most int) *Out {
	o := &Out{limit: limit, most: most, next: minSlab}
	o.ready.L = &o.mu
	return o
}

// Lock begins an append.
func (o *Out) Lock() {
	o.mu.Lock()
	o.begun = o.waiting.all
}

// Room is the end of the open part, with room for n bytes: append at most so many and give it to Commit.
func (o *Out) Room(n int) []byte {
	if o.arena != nil && len(o.arena.Bytes())-o.to < n {
		o.seal()
		o.arena.Release()
		o.arena = nil
		o.next = min(2*o.next, maxSlab)
	}
	if o.arena == nil {
		o.arena = bk.NewSlab(max(n, o.next))
		o.from, o.to = 0, 0
	}
	return o.arena.Bytes()[o.to:o.to:len(o.arena.Bytes())]
}

// Commit takes what was appended to Room's answer; it panics when that was more than there was room for.
func (o *Out) Commit(b []byte) {
	if len(b) > len(o.arena.Bytes())-o.to {
		panic("frames: a frame is longer than it said")
	}
	o.to += len(b)
	o.waiting.all += len(b)
}

// Payload appends bytes: a copy when they are few, else a reference, which it retains.
func (o *Out) Payload(b bk.Buf) {
	if len(b.B) < copyBelow {
		o.Commit(append(o.Room(len(b.B)), b.B...))
		return
	}
	o.seal()
	o.segments = append(o.segments, b.Retain())
	o.waiting.all += len(b.B)
}

// seal makes a segment of the open part.
func (o *Out) seal() {
	if o.to > o.from {
		o.segments = append(o.segments, o.arena.Buf(o.from, o.to))
		o.from = o.to
	}
}

// Unlock ends an append and tells the writer. It reports whether the Out overflows, once: then it takes nothing more and the
// connection must end.
func (o *Out) Unlock() (overflow bool) {
	n := o.waiting.all - o.begun
	o.waiting.pressing += n
	o.unwritten.pressing += n
	if !o.closed && o.most > 0 && o.unwritten.pressing > o.most {
		o.closed, overflow = true, true
	}
	o.UnlockPaced()
	return overflow
}

// UnlockPaced ends an append of somebody who asked Full before: many may have been told that there is room at the same time, so that
// what they bring is no sign of a client that does not read. It tells the writer.
func (o *Out) UnlockPaced() {
	o.unwritten.all += o.waiting.all - o.begun
	if o.closed {
		o.drop()
	}
	if o.closed || o.waiting.all > 0 {
		o.ready.Signal()
	}
	o.mu.Unlock()
}

// Full reports whether limit bytes are not written, and remembers that somebody waits for less: Write then calls drained.
func (o *Out) Full() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.unwritten.all < o.limit {
		return false
	}
	o.congested = true
	return true
}

// Unwritten is how many bytes wait or are being written.
func (o *Out) Unwritten() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.unwritten.all
}

// Congested reports whether somebody was told that it is full and waits for drained.
func (o *Out) Congested() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.congested
}

// Write writes until Finish, Close or an error; timeout is how long one batch may take. drained is called, without the lock, when less than half
// of the limit is unwritten after Full said yes; nil if nobody asks.
func (o *Out) Write(nc net.Conn, timeout time.Duration, drained func()) error {
	var taken []bk.Buf
	var batch net.Buffers
	writing := &batch
	room := make([][]byte, 0, 16)
	for {
		var n count
		if taken, n = o.take(taken[:0]); n.all == 0 {
			return nil
		}
		err := nc.SetWriteDeadline(time.Now().Add(timeout))
		switch {
		case err != nil:
		case len(taken) == 1:
			_, err = nc.Write(taken[0].B)
		default:
			room = room[:0]
			for _, s := range taken {
				room = append(room, s.B)
			}
			batch = room
			_, err = writing.WriteTo(nc)
		}
		for i := range taken {
			taken[i].Release()
			taken[i] = bk.Buf{}
		}
		if call := o.wrote(n, err); call && drained != nil {
			drained()
		}
		if err != nil {
			return err
		}
	}
}

// take waits for something to write and swaps it for the empty list; nothing when the writer is to end.
func (o *Out) take(empty []bk.Buf) (taken []bk.Buf, n count) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.waiting.all == 0 && !o.closed && !o.finishing {
		o.rest()
		o.ready.Wait()
	}
	if o.closed || o.waiting.all == 0 {
		o.closed = true
		o.drop()
		return empty, count{}
	}
	o.seal()
	taken, o.segments = o.segments, empty
	n, o.waiting = o.waiting, count{}
	return taken, n
}

// wrote counts a batch out and reports whether somebody waits for that.
func (o *Out) wrote(n count, err error) (drained bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.unwritten.less(n)
	if err != nil {
		o.closed = true
		o.drop()
	}
	if drained = o.congested && o.unwritten.all < o.limit/2; drained {
		o.congested = false
	}
	return drained
}

// rest gives the arena back while there is nothing to write, so that an idle connection holds no output memory.
func (o *Out) rest() {
	if o.arena != nil {
		o.arena.Release()
		o.arena = nil
		o.from, o.to = 0, 0
	}
	o.next = minSlab
}

func (o *Out) drop() {
	for i := range o.segments {
		o.segments[i].Release()
		o.segments[i] = bk.Buf{}
	}
	o.segments = o.segments[:0]
	o.unwritten.less(o.waiting)
	o.waiting = count{}
	o.rest()
}

func (c *count) less(n count) {
	c.all -= n.all
	c.pressing -= n.pressing
}

// Finish makes Write end after what is queued now.
func (o *Out) Finish() {
	o.mu.Lock()
	o.finishing = true
	o.ready.Signal()
	o.mu.Unlock()
}

// Close throws away what is not being written and makes Write end. What is appended later is thrown away too. Idempotent.
func (o *Out) Close() {
	o.mu.Lock()
	o.closed = true
	o.drop()
	o.ready.Signal()
	o.mu.Unlock()
}

package server

import (
	"net"
	"sync"
	"time"

	"github.com/strobemq/strobe/storage/bk"
)

// copyBelow is the size from which a payload is written by reference and not copied (measured: equal around it, worse on both sides).
const copyBelow = 8 << 10

// output is what waits to be written to one connection. Appending never blocks; one goroutine, write, empties it.
//
//	segments: [arena part][payload][arena part][payload] ... + the open part of the arena
type output struct {
	mu        sync.Mutex // guards all below
	ready     sync.Cond
	arena     *bk.Slab // small frames are put together here; nil: nothing is
	from, to  int      // the open part of the arena
	next      int      // size of the next arena
	segments  []bk.Buf // each with a reference of its own
	waiting   int      // bytes in segments and the open part
	unwritten int      // waiting and what is being written
	congested bool     // somebody was told so and waits for drained
	finishing bool     // write what there is, then end
	closed    bool     // throw everything away

	limit    int    // unwritten bytes at which the connection is congested
	most     int    // unwritten bytes at which the client is taken for stuck
	overflow func() // called once, without the lock, when there are so many; must not block
}

func (o *output) init(limit, most int, overflow func()) {
	o.ready.L = &o.mu
	o.next = minBuffer
	o.limit, o.most, o.overflow = limit, most, overflow
}

// roomLocked returns the end of the open part with room for n bytes; append at most so many and give it to commitLocked.
func (o *output) roomLocked(n int) []byte {
	if o.arena != nil && len(o.arena.Bytes())-o.to < n {
		o.sealLocked()
		o.arena.Release()
		o.arena = nil
		o.next = min(2*o.next, maxBuffer)
	}
	if o.arena == nil {
		o.arena = bk.NewSlab(max(n, o.next))
		o.from, o.to = 0, 0
	}
	return o.arena.Bytes()[o.to:o.to]
}

// commitLocked takes what was appended to roomLocked's answer.
func (o *output) commitLocked(b []byte) {
	if len(b) > len(o.arena.Bytes())-o.to {
		panic("server: a frame is longer than it said")
	}
	o.to += len(b)
	o.waiting += len(b)
	o.unwritten += len(b)
}

// sealLocked makes a segment of the open part.
func (o *output) sealLocked() {
	if o.to > o.from {
		o.segments = append(o.segments, o.arena.Buf(o.from, o.to))
		o.from = o.to
	}
}

// payloadLocked appends a payload and takes over its reference.
func (o *output) payloadLocked(b bk.Buf) {
	if len(b.B) < copyBelow {
		o.commitLocked(append(o.roomLocked(len(b.B)), b.B...))
		b.Release()
		return
	}
	o.sealLocked()
	o.segments = append(o.segments, b)
	o.waiting += len(b.B)
	o.unwritten += len(b.B)
}

// command appends one frame.
func (o *output) command(frame []byte) {
	o.mu.Lock()
	if !o.closed {
		o.commitLocked(append(o.roomLocked(len(frame)), frame...))
	}
	o.unlock()
}

// unlock ends an append: the writer is told if there is something for it.
func (o *output) unlock() {
	if o.waiting > 0 {
		o.ready.Signal()
	}
	stuck := o.unwritten > o.most && !o.closed
	o.closed = o.closed || stuck
	o.mu.Unlock()
	if stuck {
		o.overflow()
	}
}

// full reports whether the connection is congested, and remembers that somebody waits to be told when it no longer is.
func (o *output) full() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.unwritten < o.limit {
		return false
	}
	o.congested = true
	return true
}

// finish makes the writer end after what is queued now.
func (o *output) finish() {
	o.mu.Lock()
	o.finishing = true
	o.ready.Signal()
	o.mu.Unlock()
}

// close makes the writer end without writing more. Idempotent.
func (o *output) close() {
	o.mu.Lock()
	o.closed = true
	o.ready.Signal()
	o.mu.Unlock()
}

// write writes until finish, close or an error; timeout is how long one write may take. drained is called, without the lock, when
// less than half of the limit is unwritten after full said that the connection is congested.
func (o *output) write(nc net.Conn, timeout time.Duration, drained func()) error {
	var taken []bk.Buf
	var vec net.Buffers
	store := &vec
	backing := make([][]byte, 0, 16)
	for {
		o.mu.Lock()
		for o.waiting == 0 && !o.closed && !o.finishing {
			o.restLocked()
			o.ready.Wait()
		}
		if o.closed || o.waiting == 0 {
			o.dropLocked()
			o.mu.Unlock()
			return nil
		}
		o.sealLocked()
		taken, o.segments = o.segments, taken[:0]
		n := o.waiting
		o.waiting = 0
		o.mu.Unlock()

		err := nc.SetWriteDeadline(time.Now().Add(timeout))
		if err == nil {
			if len(taken) == 1 {
				_, err = nc.Write(taken[0].B)
			} else {
				backing = backing[:0]
				for _, s := range taken {
					backing = append(backing, s.B)
				}
				vec = backing
				_, err = store.WriteTo(nc)
			}
		}
		for i := range taken {
			taken[i].Release()
			taken[i] = bk.Buf{}
		}

		o.mu.Lock()
		o.unwritten -= n
		call := o.congested && o.unwritten < o.limit/2
		if call {
			o.congested = false
		}
		if err != nil {
			o.closed = true
			o.dropLocked()
		}
		o.mu.Unlock()
		if err != nil {
			return err
		}
		if call {
			drained()
		}
	}
}

// restLocked gives the arena back while there is nothing to write, so that an idle connection holds no output memory.
func (o *output) restLocked() {
	if o.arena != nil {
		o.arena.Release()
		o.arena = nil
		o.from, o.to = 0, 0
	}
	o.next = minBuffer
}

// discard throws away what nobody will write.
func (o *output) discard() {
	o.mu.Lock()
	o.closed = true
	o.dropLocked()
	o.mu.Unlock()
}

func (o *output) dropLocked() {
	for i := range o.segments {
		o.segments[i].Release()
		o.segments[i] = bk.Buf{}
	}
	o.segments = o.segments[:0]
	o.waiting, o.unwritten = 0, 0
	o.restLocked()
}

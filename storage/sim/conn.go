package sim

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// conn is one end of a connection.
type conn struct {
	n           *network
	in, out     *half
	peer        *conn
	here, there string
}

func (c *conn) Read(b []byte) (int, error)  { return c.in.read(b, c) }
func (c *conn) Write(b []byte) (int, error) { return c.out.write(b) }

// Close ends this end: the peer gets what was written, then the end of the stream. What comes from it is thrown away.
func (c *conn) Close() error {
	c.in.abandon()
	c.out.finish()
	if c.out.isAbandoned() {
		c.drop()
	}
	return nil
}

// kill breaks both ends at once.
func (c *conn) kill(err error) {
	c.in.fail(err)
	c.out.fail(err)
	c.drop()
}

// vanish is the end without power: it says nothing any more.
func (c *conn) vanish() {
	c.in.silence()
	c.out.silence()
}

func (c *conn) drop() {
	c.in.detach()
	c.out.detach()
	c.n.forget(c)
}

func (c *conn) LocalAddr() net.Addr  { return address(c.here) }
func (c *conn) RemoteAddr() net.Addr { return address(c.there) }

func (c *conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.deadline(&c.in.readBy, t)
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.out.deadline(&c.out.writeBy, t)
	return nil
}

// half is one direction of a connection: what was written and not read, in order, each piece with the moment from which it is there.
type half struct {
	link  *link
	dice  *dice
	most  int // bytes that fit
	split bool

	mu        sync.Mutex // guards all below
	readable  sync.Cond
	writable  sync.Cond
	pieces    []piece
	held      int       // bytes in pieces
	last      time.Time // of the last piece
	cut       int       // bytes until the connection breaks; negative: it does not
	finished  bool      // the writer closed
	abandoned bool      // the reader closed
	silent    bool      // nothing is delivered and nobody is told
	err       error     // broken
	readBy    time.Time
	writeBy   time.Time
}

type piece struct {
	b  []byte
	at time.Time
}

func newHalf(l *link, d *dice, most int, split bool) *half {
	h := &half{link: l, dice: d, most: most, split: split, cut: -1}
	h.readable.L, h.writable.L = &h.mu, &h.mu
	l.mu.Lock()
	l.halves[h] = true
	l.mu.Unlock()
	return h
}

func (h *half) detach() {
	h.link.mu.Lock()
	delete(h.link.halves, h)
	h.link.mu.Unlock()
}

// wake has waiting readers and writers look again.
func (h *half) wake() {
	h.mu.Lock()
	h.readable.Broadcast()
	h.writable.Broadcast()
	h.mu.Unlock()
}

func (h *half) deadline(which *time.Time, t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*which = t
	if !t.IsZero() {
		time.AfterFunc(time.Until(t), h.wake)
	}
}

func passed(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

func (h *half) read(b []byte, c *conn) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	armed := time.Time{}
	for {
		now := time.Now()
		switch {
		case h.abandoned:
			return 0, net.ErrClosed
		case h.err != nil:
			return 0, h.err
		case passed(h.readBy):
			return 0, os.ErrDeadlineExceeded
		case len(b) == 0:
			return 0, nil
		case h.silent || h.link.blocked() != nil:
		case h.cut == 0:
			h.mu.Unlock()
			c.kill(syscall.ECONNRESET)
			h.mu.Lock()
			continue
		case len(h.pieces) == 0 && h.finished && !now.Before(h.last):
			return 0, io.EOF
		case len(h.pieces) > 0 && !now.Before(h.pieces[0].at):
			return h.takeLocked(b), nil
		}
		next := h.last
		if len(h.pieces) > 0 {
			next = h.pieces[0].at
		}
		if next.After(now) && next != armed {
			armed = next
			time.AfterFunc(next.Sub(now), h.wake)
		}
		h.readable.Wait()
	}
}

// takeLocked takes what has arrived, or some of it.
func (h *half) takeLocked(b []byte) int {
	p := &h.pieces[0]
	n := min(len(b), len(p.b))
	if h.split && n > 1 && h.dice.one(3) {
		n = 1 + h.dice.n(n)
	}
	if h.cut >= 0 {
		n = min(n, h.cut)
		h.cut -= n
	}
	copy(b, p.b[:n])
	if p.b = p.b[n:]; len(p.b) == 0 {
		h.pieces[0] = piece{}
		h.pieces = h.pieces[1:]
	}
	h.held -= n
	h.writable.Broadcast()
	return n
}

func (h *half) write(b []byte) (int, error) {
	done := 0
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.finished:
			return done, net.ErrClosed
		case h.err != nil:
			return done, h.err
		case passed(h.writeBy):
			return done, os.ErrDeadlineExceeded
		case len(b) == done:
			return done, nil
		case h.abandoned:
			return len(b), nil // nobody reads it, and the end of the stream is on its way back
		case h.held < h.most:
			n := min(len(b)-done, h.most-h.held)
			h.pieces = append(h.pieces, piece{append([]byte{}, b[done:done+n]...), h.arrivesLocked()})
			h.held += n
			done += n
			h.readable.Broadcast()
			continue
		}
		h.writable.Wait()
	}
}

// arrivesLocked is when a piece that is sent now arrives: not before those sent earlier.
func (h *half) arrivesLocked() time.Time {
	if at := time.Now().Add(h.link.transit(h.dice)); at.After(h.last) {
		h.last = at
	}
	return h.last
}

func (h *half) finish() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.finished {
		h.finished = true
		h.arrivesLocked()
	}
	h.readable.Broadcast()
	h.writable.Broadcast()
}

func (h *half) abandon() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.abandoned = true
	h.pieces, h.held = nil, 0
	h.readable.Broadcast()
	h.writable.Broadcast()
}

func (h *half) isAbandoned() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.abandoned
}

func (h *half) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.err = err
	}
	h.pieces, h.held = nil, 0
	h.readable.Broadcast()
	h.writable.Broadcast()
}

func (h *half) silence() {
	h.mu.Lock()
	h.silent = true
	h.mu.Unlock()
}

func (h *half) isSilent() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.silent
}

// cutAfter breaks the connection when n more bytes were read.
func (h *half) cutAfter(n int) {
	h.mu.Lock()
	h.cut = n
	h.readable.Broadcast()
	h.mu.Unlock()
}

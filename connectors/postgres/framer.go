package postgres

import (
	"encoding/binary"
	"fmt"
	"net"
	"time"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/internal/fault"
)

const (
	smallBuffer = 16 << 10  // an idle source's; there may be hundreds in one process
	largeBuffer = 256 << 10 // of one under load
	// maxFrame is the longest message that is read whole. Of a longer one there is only its beginning, cutFrame bytes.
	maxFrame    = 32 << 20
	cutFrame    = 64 << 10
	frameHeader = 5
	// maxFrontend caps what pgconn allocates for a message before the stream begins.
	maxFrontend = 16 << 20
)

// framer is the connection beneath pgconn (after TLS) and, once the stream has begun, its only reader. While pgconn reads through Read it
// never gets a byte beyond the message it is at, so that nothing of the stream is left in pgconn's buffer when the framer takes over.
//
// next then hands out whole messages in place, out of a buffer that is filled with as much as the socket has. The walsender makes one
// packet per row, so under load a reader that takes each at once is woken for each; fill naps instead (see there), which costs a third
// of the CPU and lets the server work in larger pieces.
type framer struct {
	net.Conn
	buf  []byte
	r, w int // unread bytes are buf[r:w]

	left int // Read: bytes of the message at hand that pgconn has not got yet
	skip int // next: bytes of an overlong message still to be thrown away

	load   load
	filled bool // the last read left no room in the buffer
	short  int  // reads in sequence that left most of the buffer empty
}

func newFramer(conn net.Conn) *framer {
	return &framer{Conn: conn, buf: make([]byte, smallBuffer)}
}

// Read gives pgconn at most the rest of one message.
func (f *framer) Read(p []byte) (int, error) {
	if f.left == 0 {
		for f.w-f.r < frameHeader {
			if err := f.fill(frameHeader); err != nil {
				return 0, err
			}
		}
		n := f.frameLen()
		if n < frameHeader || n > maxFrontend {
			return 0, fmt.Errorf("message of %d bytes", n)
		}
		f.left = n
	}
	if f.r == f.w {
		if err := f.fill(1); err != nil {
			return 0, err
		}
	}
	n := copy(p[:min(len(p), f.left)], f.buf[f.r:f.w])
	f.r += n
	f.left -= n
	return n, nil
}

// frameLen is the length of the message at r with its type byte; its header must be there.
func (f *framer) frameLen() int {
	return int(binary.BigEndian.Uint32(f.buf[f.r+1:])) + 1
}

// frame is one message of the server: type and body. It is valid until the next fill.
type frame struct {
	kind byte
	body []byte
	cut  int // bytes of the body that are not in it, because it is longer than maxFrame
}

// next returns the next message if it is in the buffer.
func (f *framer) next() (fr frame, ok bool, err error) {
	if n := min(f.skip, f.w-f.r); n > 0 {
		f.r += n
		f.skip -= n
	}
	if f.skip > 0 || f.w-f.r < frameHeader {
		return frame{}, false, nil
	}
	n := f.frameLen()
	if n < frameHeader || uint(n) > 1<<31 {
		return frame{}, false, connectors.As(connectors.Retry, fault.PostgresStream.New("message %q of %d bytes", f.buf[f.r], n))
	}
	cut := 0
	if n > maxFrame {
		n, cut = cutFrame, n-cutFrame
	}
	if f.w-f.r < n {
		return frame{}, false, nil
	}
	fr = frame{kind: f.buf[f.r], body: f.buf[f.r+frameHeader : f.r+n], cut: cut}
	f.r += n
	f.skip = cut
	f.load.frames++
	return fr, true, nil
}

// need is how many bytes the buffer must be able to hold for the message at r.
func (f *framer) need() int {
	if f.skip > 0 || f.w-f.r < frameHeader {
		return frameHeader
	}
	if n := f.frameLen(); n <= maxFrame {
		return n
	}
	return cutFrame
}

// fill reads once from the connection, with room for a message of n bytes. Frames handed out before are invalid afterwards.
func (f *framer) fill(n int) error {
	f.makeRoom(n)
	if f.load.heavy() && !f.filled {
		takeNap(nap)
	}
	k, err := f.Conn.Read(f.buf[f.w:])
	f.filled = k == len(f.buf)-f.w // there may be more at once
	if f.short++; k > len(f.buf)/8 {
		f.short = 0
	}
	f.w += k
	if k > 0 {
		return nil
	}
	return err
}

// makeRoom moves what is unread to the front and sizes the buffer: larger for a long message and under load, smaller again after.
func (f *framer) makeRoom(n int) {
	size := len(f.buf)
	switch unread := f.w - f.r; {
	case n > size:
		size = n
	case f.filled && size < largeBuffer:
		size *= 2
	case size > largeBuffer && max(n, unread) <= largeBuffer/2:
		size = largeBuffer
	case f.short > 64 && size > smallBuffer && max(n, unread) <= size/2:
		size /= 2
		f.short = 1
	}
	if size == len(f.buf) {
		if f.r > 0 {
			f.w = copy(f.buf, f.buf[f.r:f.w])
			f.r = 0
		}
		return
	}
	buf := make([]byte, size)
	f.w = copy(buf, f.buf[f.r:f.w])
	f.buf, f.r = buf, 0
}

// load tells from the messages that passed whether reading at once or a little later is better.
type load struct {
	frames int
	since  time.Time
	until  time.Time // heavy so long, at least
}

const (
	// Above heavyRate messages a second a reader is better off waiting a nap than being woken for each. It stays that way for a
	// while: a server that shares its cores with others sends in bursts.
	heavyRate  = 8_000
	loadWindow = 5 * time.Millisecond
	heavyFor   = 100 * time.Millisecond
	nap        = 200 * time.Microsecond
)

func (l *load) heavy() bool {
	now := time.Now()
	if d := now.Sub(l.since); d >= loadWindow {
		if float64(l.frames) > heavyRate*d.Seconds() {
			l.until = now.Add(heavyFor)
		}
		l.frames, l.since = 0, now
	}
	return now.Before(l.until)
}

package remote

import (
	"sync"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
)

// firstPause is the pause after the first attempt to connect that failed.
const firstPause = 20 * time.Millisecond

// lane is one of a Conn's connections: a session while there is one, and when the next may begin.
type lane struct {
	c *Conn

	mu      sync.Mutex // guards all below, and what the sessions say it guards
	s       *session   // nil: not connected, nobody has asked
	bytes   int64      // of adds that are not answered
	pause   time.Duration
	notNow  time.Time // no attempt to connect before
	turned  []*bk.BookieAdd
	telling bool // a goroutine answers what was turned away
	closed  bool
}

// sessionLocked is the session to use, a new one if need be; nil while the bookie cannot be reached.
func (l *lane) sessionLocked() *session {
	switch {
	case l.s != nil && l.s.ended == bk.OK:
		return l.s
	case l.s != nil || l.closed || time.Now().Before(l.notNow):
		return nil
	}
	l.s = newSession(l)
	l.c.work.Go(l.s.run)
	return l.s
}

// add sends adds, or answers them at once.
func (l *lane) add(adds []*bk.BookieAdd) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sessionLocked()
	if s == nil {
		for _, op := range adds {
			l.turnLocked(op, bk.ErrUnavailable)
		}
		return
	}
	o := &l.c.d.o
	s.out.Lock()
	for _, op := range adds {
		size := len(op.Head) + len(op.Body.B)
		switch {
		case size > o.MaxFrame-bkwire.AddRequestHead+4:
			if s.adds.first == nil {
				l.turnLocked(op, bk.ErrEntryTooLarge)
				continue
			}
			op.Next, op.Err = nil, bk.ErrEntryTooLarge // told in its turn
		case l.bytes > 0 && l.bytes+int64(size) > o.QueueBytes:
			l.c.d.metrics.tooMany.Add(1)
			l.turnLocked(op, bk.ErrTooMany)
			continue
		default:
			op.Next, op.Err = nil, inFlight
			room := s.out.Room(bkwire.AddRequestHead + len(op.Head))
			s.out.Commit(append(bkwire.AppendAddRequest(room, op.Flags, &op.MasterKey, size), op.Head...))
			s.out.Payload(op.Body)
		}
		l.bytes += int64(size)
		s.owesLocked()
		s.adds.push(op)
	}
	s.out.Unlock()
}

// turnLocked has an add answered that does not reach the bookie, off the caller's stack.
func (l *lane) turnLocked(op *bk.BookieAdd, code bk.Code) {
	op.Next, op.Err = nil, code
	l.turned = append(l.turned, op)
	if l.telling {
		return
	}
	l.telling = true
	if l.closed {
		go l.tellTurned() // whoever adds to a closed connection is told too
	} else {
		l.c.work.Go(l.tellTurned)
	}
}

func (l *lane) tellTurned() {
	for {
		l.mu.Lock()
		turned := l.turned
		l.turned = nil
		l.telling = len(turned) > 0
		l.mu.Unlock()
		if len(turned) == 0 {
			return
		}
		tell(turned)
	}
}

// tell calls the owners of adds, once for each run with the same.
func tell(done []*bk.BookieAdd) {
	for len(done) > 0 {
		n := 1
		for n < len(done) && done[n].Done == done[0].Done {
			n++
		}
		done[0].Done.BookieAddsDone(done[:n:n])
		done = done[n:]
	}
}

// endedLocked is told by a session that everything it owed was answered. The next may begin at once when this one was of use.
func (l *lane) endedLocked(useful bool) {
	l.s = nil
	if useful {
		l.pause, l.notNow = 0, time.Time{}
		return
	}
	l.pause = min(max(2*l.pause, firstPause), l.c.d.o.MaxPause)
	l.notNow = time.Now().Add(l.pause)
}

func (l *lane) close() {
	l.mu.Lock()
	l.closed = true
	if l.s != nil {
		l.s.endLocked(bk.ErrUnavailable)
	}
	l.mu.Unlock()
}

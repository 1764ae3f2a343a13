package remote

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/frames"
)

// session is one connection from dialling to its end. Its goroutine, run, dials, reads, and tells the owners of adds; a second one
// writes. Requests are queued from the start and written when the connection stands. All fields but out are guarded by the
// lane's lock, done is run's own.
type session struct {
	l   *lane
	out *frames.Out

	nc       net.Conn // nil: dialling
	ended    bk.Code  // not bk.OK: over, and what owes answers gets this one
	useful   bool     // the bookie has answered something
	adds     pending
	calls    map[callKey]*call
	reads    int  // in calls
	greeted  bool // the bookie has answered our AUTH
	progress time.Time
	timer    *time.Timer
	armed    bool // timer runs, or its function does

	done []*bk.BookieAdd // answered, to be told
}

func newSession(l *lane) *session {
	s := &session{l: l, out: frames.NewOut(0, 0), calls: map[callKey]*call{}}
	s.out.Lock()
	s.out.Commit(bkwire.AppendHello(s.out.Room(bkwire.MaxHello+len(l.c.id)), l.c.id))
	s.out.Unlock()
	return s
}

// run is the session's life.
func (s *session) run() {
	l := s.l
	err := s.connect()
	if err == nil {
		var writer sync.WaitGroup
		l.c.d.metrics.connected.Add(1)
		writer.Go(func() {
			switch err := s.out.Write(s.nc, l.c.d.o.Timeout, nil); {
			case errors.Is(err, os.ErrDeadlineExceeded):
				s.end(bk.ErrTimeout)
			case err != nil:
				s.end(bk.ErrUnavailable)
			}
		})
		err = s.read()
		s.end(bk.ErrUnavailable)
		writer.Wait()
		l.c.d.metrics.connected.Add(-1)
	} else {
		s.end(bk.ErrUnavailable)
	}
	s.finish(err)
}

func (s *session) connect() error {
	nc, err := s.l.c.dial()
	if err != nil {
		return err
	}
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	if s.ended != bk.OK {
		nc.Close()
		return s.ended
	}
	s.nc = nc
	return nil
}

// read takes answers until the connection ends, and returns why.
func (s *session) read() error {
	in := frames.NewIn(s.l.c.d.o.MaxFrame + answerMore)
	defer in.Release()
	for {
		if err := in.Fill(s.nc); err != nil {
			return err
		}
		err := s.take(in)
		tell(s.done)
		clear(s.done)
		s.done = s.done[:0]
		if err != nil {
			s.l.c.d.metrics.broken.Add(1)
			return fault.LedgerBookieAnswer.New("%w", err)
		}
	}
}

// answerMore is by how much the answer to a read may be longer than the request that stored the entry.
const answerMore = bkwire.BatchHead + bkwire.BatchEntryHead

// take takes the answers that have come.
func (s *session) take(in *frames.In) error {
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	s.progress = time.Now()
	for {
		frame, err := in.Next()
		if err != nil || frame == nil {
			return err
		}
		r, err := bkwire.DecodeResponse(frame)
		if err != nil {
			return err
		}
		s.useful = s.useful || r.Op != bkwire.OpAuth
		switch r.Op {
		case bkwire.OpAdd:
			err = s.added(&r)
		case bkwire.OpRead, bkwire.OpBatchRead:
			err = s.hasRead(&r, in, frame)
		case bkwire.OpAuth:
			if s.greeted {
				err = errNotAsked
			}
			s.greeted = true
		}
		if err != nil {
			return fmt.Errorf("answer to %v of ledger %d entry %d: %w", r.Op, r.Ledger, r.Entry, err)
		}
	}
}

var errNotAsked = errors.New("nothing of that kind was asked")

// added takes the answer to an add. Adds are told in their order, so that those of a ledger are, but for those that the
// bookie did not take.
func (s *session) added(r *bkwire.Response) error {
	before := len(s.done)
	var ok bool
	if s.done, ok = s.adds.answer(s.done, r.Ledger, r.Entry, r.Code); !ok {
		return errNotAsked
	}
	for _, op := range s.done[before:] {
		s.l.bytes -= int64(len(op.Head) + len(op.Body.B))
	}
	return nil
}

// idleLocked reports that the bookie owes nothing.
func (s *session) idleLocked() bool { return s.adds.first == nil && s.reads == 0 }

// owesLocked is called before the bookie comes to owe one more answer: if it then sends nothing for too long, the session
// ends. One timer looks after all.
func (s *session) owesLocked() {
	if !s.idleLocked() {
		return
	}
	s.progress = time.Now()
	if s.armed {
		return
	}
	s.armed = true
	if s.timer == nil {
		s.timer = time.AfterFunc(s.l.c.d.o.Timeout, s.look)
	} else {
		s.timer.Reset(s.l.c.d.o.Timeout)
	}
}

// look ends the session when the bookie hangs.
func (s *session) look() {
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	left := s.l.c.d.o.Timeout - time.Since(s.progress)
	switch {
	case s.ended != bk.OK:
	case s.idleLocked():
		s.armed = false
	case left > 0:
		s.timer.Reset(left)
	default:
		s.l.c.d.metrics.hung.Add(1)
		s.endLocked(bk.ErrTimeout)
	}
}

func (s *session) end(code bk.Code) {
	s.l.mu.Lock()
	s.endLocked(code)
	s.l.mu.Unlock()
}

// endLocked makes run come to its end.
func (s *session) endLocked(code bk.Code) {
	if s.ended != bk.OK {
		return
	}
	s.ended = code
	s.out.Close()
	if s.timer != nil {
		s.timer.Stop()
	}
	if s.nc != nil {
		s.nc.Close()
	}
}

// finish answers everything that is left.
func (s *session) finish(why error) {
	l := s.l
	l.mu.Lock()
	owed := s.reads
	for op := s.adds.first; op != nil; {
		next := op.Next
		if op.Next = nil; op.Err == inFlight {
			op.Err = s.ended
			owed++
		}
		l.bytes -= int64(len(op.Head) + len(op.Body.B))
		s.done = append(s.done, op)
		op = next
	}
	s.adds = pending{}
	for _, c := range s.calls {
		for ; c != nil; c = c.next {
			c.code = s.ended
			close(c.done)
		}
	}
	clear(s.calls)
	s.reads = 0
	closed, code := l.closed, s.ended
	l.mu.Unlock()
	if broken := fault.Has(why, fault.LedgerBookieAnswer); !closed && (owed > 0 || broken) {
		if code == bk.ErrTimeout && !broken {
			why = fault.LedgerBookieHung.New("nothing came for %v", l.c.d.o.Timeout)
		}
		l.c.log.Warn("connection to bookie lost", "unanswered", owed, "result", code, "error", why)
	}
	tell(s.done)
	s.done = nil
	l.mu.Lock()
	l.endedLocked(s.useful && code != bk.ErrTimeout)
	l.mu.Unlock()
}

package segment

import (
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/strobemq/strobe/internal/fault"
)

// state is why the log takes no entries, if it does not. The flags are read on the way of every commit.
type state struct {
	dead     atomic.Bool // a write or sync failed: nothing is written any more
	refusing atomic.Bool // entries are refused; the other kinds are taken

	mu      sync.Mutex
	failed  error // sticky
	failure mark  // how far the log was durable when it failed
	full    error
	damage  []damage // ranges set aside
	unsaved bool     // damage differs from the file
}

func (l *Log) dead() bool { return l.state.dead.Load() }

func (l *Log) refusing() bool { return l.state.refusing.Load() }

func (l *Log) full() error {
	l.state.mu.Lock()
	defer l.state.mu.Unlock()
	return l.state.full
}

// change changes the reasons and derives the flags.
func (s *state) change(fn func(s *state)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn(s)
	s.dead.Store(s.failed != nil)
	s.refusing.Store(s.failed != nil || s.full != nil || len(s.damage) > 0)
}

// ReadOnly is nil, or why no more entries are taken: a fault.
func (l *Log) ReadOnly() error {
	s := &l.state
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.failed != nil:
		return s.failed
	case len(s.damage) > 0:
		d := s.damage[0]
		return fault.SegmentDamaged.New("%s: bytes %d to %d, %d ranges in all", filepath.Join(l.dir, segmentName(d.generation)), d.from, d.to, len(s.damage))
	}
	return s.full
}

// fail ends writing for the life of this Log. The segment is durable up to synced, which nothing passes any more: what lies behind is
// taken for torn by the next start.
func (l *Log) fail(op string, seg *segment, synced int64, err error) error {
	return l.stop(mark{generation: seg.generation, synced: synced}, "%s %s, durable up to %d: %w", op, filepath.Base(seg.name), synced, err)
}

// prepareFailed ends writing because the next segment could not be made. It says nothing of the one that is appended to: a commit may be on its
// way there, and be acknowledged.
func (l *Log) prepareFailed(err error) error {
	return l.stop(mark{}, "prepare a segment in %s: %w", l.dir, err)
}

// tableFailed ends writing because Pebble did: without the table nothing can be sealed.
func (l *Log) tableFailed(err error) { _ = l.stop(mark{}, "table in %s: %w", l.dir, err) }

// stop ends writing for good. The first reason counts; at, if not zero, is up to where the next start believes what it reads there.
func (l *Log) stop(at mark, format string, args ...any) error {
	f := fault.SegmentDeviceFailed.New(format, args...)
	l.state.change(func(s *state) {
		if s.failed == nil {
			s.failed, s.failure = f, at
		}
	})
	l.o.Log.Error("log stopped", "err", f)
	l.kick()
	return f
}

func noSpace(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

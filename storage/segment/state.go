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
	damaged error
	lost    error
	full    error
}

func (l *Log) dead() bool { return l.state.dead.Load() }

func (l *Log) refusing() bool { return l.state.refusing.Load() }

// set changes one reason and derives the flags.
func (s *state) set(change func(s *state)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
	s.dead.Store(s.failed != nil)
	s.refusing.Store(s.failed != nil || s.damaged != nil || s.full != nil)
}

// ReadOnly is nil, or why no more entries are taken: a fault.
func (l *Log) ReadOnly() error {
	s := &l.state
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.failed != nil:
		return s.failed
	case s.damaged != nil:
		return s.damaged
	default:
		return s.full
	}
}

// fail ends writing for the life of this Log.
func (l *Log) fail(op string, seg *segment, err error) error {
	f := fault.SegmentDeviceFailed.New("%s %s at %d: %w", op, filepath.Base(seg.name), seg.end.Load(), err)
	l.state.set(func(s *state) {
		if s.failed == nil {
			s.failed = f
		}
	})
	l.o.Log.Error("log stopped", "err", f)
	return f
}

func (l *Log) syncFailed(seg *segment, err error) error { return l.fail("sync", seg, err) }

// writeFailed tells a full disk, which is waited out, from a device that failed.
func (l *Log) writeFailed(seg *segment, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return l.diskFull(err)
	}
	return l.fail("write", seg, err)
}

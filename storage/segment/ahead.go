package segment

import (
	"fmt"

	"github.com/strobemq/strobe/storage/vfs"
)

// ahead writes zeros over the next segment while the one before it fills, so that a commit overwrites: the first write to a part of a file
// takes pages and blocks, and has the file system's own journal synced before the commit is, which about doubles the time
// (docs/RATIONALE.md). A file that is recycled has all that, as far as it goes.
//
// It goes at the pace of what is appended, so that a log that nobody uses writes nothing, and only while commits are small: where each
// carries megabytes, the disk's bandwidth is what counts.
type ahead struct {
	log   *Log
	kicks chan struct{}

	// The goroutine's own.
	bytes, syncs int64  // of the log, when it looked last
	credit       int64  // zeros that may be written now
	zeros        []byte // one step
}

const (
	aheadStep   = 1 << 20 // bytes of zeros written at once
	largeCommit = 1 << 20
	// soon is where in a segment the next one is asked for, as a part of it, and pace how many zeros are written for a byte appended from there
	// on, if the next one is as large: evenly, and done a little before the segment is full.
	soon, pace = 8, 1.25
	// youngPace is the pace while what is appended to was not written ahead, as the first segment of a log: the sooner it is left the better.
	youngPace = 4
)

func newAhead(l *Log) *ahead {
	step := min(aheadStep, l.o.SegmentBytes/8)
	return &ahead{log: l, kicks: make(chan struct{}, 1), zeros: make([]byte, step)}
}

// appended is told by the writer how much the log has written; it kicks when that is worth another step.
func (w *writer) appended() {
	if bytes := w.log.metrics.bytes.Load(); bytes >= w.aheadAt {
		w.aheadAt = bytes + int64(len(w.log.ahead.zeros))/youngPace
		select {
		case w.log.ahead.kicks <- struct{}{}:
		default:
		}
	}
}

func (a *ahead) run() {
	for {
		select {
		case <-a.log.closed:
			return
		case <-a.kicks:
		}
		a.earn()
		for step := int64(len(a.zeros)); a.credit >= step && !a.log.isClosed(); a.credit -= step {
			if !a.step() {
				a.credit = 0
				break
			}
		}
	}
}

// earn looks at what was appended since the last time.
func (a *ahead) earn() {
	m := &a.log.metrics
	bytes, syncs := m.bytes.Load(), m.syncs.Load()
	if more := bytes - a.bytes; more < largeCommit*(syncs-a.syncs) {
		if s := a.log.reg.last(); a.young(s) {
			a.credit += youngPace * more
		} else {
			a.credit += int64(pace * float64(more) * float64(a.log.o.sizeOf(s.generation+1)) / float64(a.log.o.sizeOf(s.generation)))
		}
	}
	a.bytes, a.syncs = bytes, syncs
}

// step writes some zeros, and reports whether it did. The lock keeps the writer from beginning the segment meanwhile: what it has begun is never
// touched, and no sync of this goroutine can take an error away from one of the writer's. Only the last step syncs where the system can
// write back without: each sync would have the commits wait that come at the same time.
func (a *ahead) step() bool {
	l := a.log
	l.preparing.Lock()
	defer l.preparing.Unlock()
	s := l.reg.upcoming()
	if s == nil || l.refusing() {
		return false
	}
	from := max(s.disk, groupsAt) // the header is there
	left := l.o.sizeOf(s.generation) - from
	if left <= 0 {
		a.leave()
		return false
	}
	if free, err := l.fs.Free(l.dir); err != nil || free < 4*l.o.SegmentBytes+2*l.o.ReserveBytes {
		return false // entries need it more
	}
	zeros := a.zeros[:min(int64(len(a.zeros)), left)]
	_, err := s.file.WriteAt(zeros, from)
	if last := left == int64(len(zeros)); err == nil {
		if f, ok := s.file.(vfs.Starter); ok && !last {
			f.StartSync(from, int64(len(zeros)))
		} else {
			err = s.file.Sync()
		}
	}
	switch {
	case err == nil:
	case noSpace(err):
		return false
	default:
		_ = l.prepareFailed(fmt.Errorf("write ahead: %w", err)) // the log keeps it, and answers with it from now on
		return false
	}
	s.disk = from + int64(len(zeros))
	l.metrics.ahead.Add(int64(len(zeros)))
	return true
}

// leave has the writer go on in the next segment, which is ready, when it has come to where nothing was written before.
func (a *ahead) leave() {
	if s := a.log.reg.last(); a.young(s) && s.end.Load() > a.log.o.sizeOf(s.generation)/soon {
		a.log.wantRoll.Store(true)
	}
}

// young reports whether s is appended to where nothing was written before.
func (a *ahead) young(s *active) bool {
	return s.disk < a.log.o.sizeOf(s.generation) && s.end.Load() > s.disk
}

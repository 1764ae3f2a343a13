package segment

import (
	"errors"
	"time"
)

// keeper is the goroutine behind the writer's back: it seals full segments, keeps the table, frees segments, prepares the next one, watches
// the disk and saves the watermark. It sleeps until it is kicked; only while the disk is full it looks every second.
type keeper struct {
	log        *Log
	gone       []uint64 // generations whose files were recycled: their keys leave the table with the next change
	marked     mark     // last saved watermark
	failure    mark     // that was noted in its file
	distrusted uint64   // a segment whose sync failed in the last life; 0: none
}

const spacePoll = time.Second

// kick wakes the keeper.
func (l *Log) kick() {
	select {
	case l.kicks <- struct{}{}:
	default:
	}
}

func (k *keeper) run() {
	poll := time.NewTimer(0)
	poll.Stop()
	defer poll.Stop()
	for {
		select {
		case <-k.log.closed:
			k.close()
			return
		case <-k.log.kicks:
		case <-poll.C:
		}
		k.turn()
		if k.log.full() != nil {
			poll.Reset(spacePoll)
		}
	}
}

// turn does what there is to do. A step that fails is tried again at the next turn.
func (k *keeper) turn() {
	l := k.log
	if l.dead() {
		k.markFailure()
		return
	}
	steps := []struct {
		name string
		do   func() error
	}{
		{"deletes", k.deletes}, {"seal", k.seal}, {"free", k.free}, {"survivors", k.survivors}, {"prepare", k.prepare},
		{"pool", k.trimPool}, {"space", k.space}, {"quarantine", k.quarantine}, {"watermark", k.saveMark},
	}
	for _, s := range steps {
		select {
		case <-l.closed:
			return
		default:
		}
		if err := s.do(); err != nil && !errors.Is(err, errAborted) && !errors.Is(err, ErrNotNow) {
			l.o.Log.Warn("log keeping", "step", s.name, "err", err)
		}
	}
}

// close leaves nothing behind that the next start would have to repeat.
func (k *keeper) close() {
	if k.log.dead() {
		k.markFailure()
		return
	}
	_ = k.quarantine()
	_ = k.saveMark()
}

// prepare readies the next segment once the writer asks for it, so that it does not wait for it.
func (k *keeper) prepare() error {
	l := k.log
	if !l.wantNext.Load() {
		return nil
	}
	l.preparing.Lock()
	defer l.preparing.Unlock()
	have := l.reg.upcoming() != nil
	if !have && l.full() != nil {
		return nil // later
	}
	l.wantNext.Store(false)
	if have {
		return nil
	}
	s, err := l.prepare()
	if err != nil {
		if !noSpace(err) {
			// It must not be tried again: a sync that succeeds later would prove nothing about the one that failed.
			return l.prepareFailed(err)
		}
		return err
	}
	l.reg.mu.Lock()
	l.reg.next = s
	l.reg.mu.Unlock()
	return nil
}

// trimPool removes dead segments that are more than the pool keeps, and while the disk is full those that are too small to be of use, after the
// table forgot them durably.
func (k *keeper) trimPool() error {
	l := k.log
	flushed := false
	for {
		small := int64(0)
		if l.full() != nil {
			small = l.roomy()
		}
		s := l.reg.surplus(max(l.o.PoolSegments, 0), small)
		if s == nil {
			return nil
		}
		if !flushed {
			err := k.roomForTable()
			if err == nil {
				err = l.table.flush()
			}
			if err != nil {
				l.reg.spare(s) // its file is of use yet
				return err
			}
			flushed = true
		}
		s.file.Close()
		if err := l.fs.Remove(s.name); err != nil {
			return err
		}
		// Durably, or a power cut brings the segment back when the table has forgotten that it is dead.
		if err := l.fs.SyncDir(l.dir); err != nil {
			return err
		}
		k.gone = append(k.gone, s.generation)
	}
}

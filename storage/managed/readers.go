package managed

import (
	"context"

	"github.com/strobemq/strobe/storage/bk"
)

// maxReaders is how many closed ledgers a managed ledger keeps open for reading.
const maxReaders = 16

// reader is a ledger of the chain opened for reading, and the reads that run on it. Its fields are guarded by Ledger.mu.
type reader struct {
	ledger bk.Ledger
	users  int
	gone   bool          // no longer in the table: the last user closes it
	erase  bool          // and deletes the ledger
	ready  chan struct{} // non-nil while it is being opened; closed when ledger or err is set
	err    error
}

// keepReaderLocked puts an open reader into the table.
func (l *Ledger) keepReaderLocked(id int64, r bk.Ledger) {
	if l.readers == nil {
		l.readers = map[int64]*reader{}
	}
	if l.readers[id] == nil {
		l.readers[id] = &reader{ledger: r}
	}
}

// acquire is a reader of the ledger, opened if it is not yet; each acquire that succeeds needs a release. Ledgers are opened with
// recovery, which does nothing to a closed one and ends one that its writer did not get to close.
func (l *Ledger) acquire(ctx context.Context, id int64) (*reader, error) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil, ErrClosed
	}
	r := l.readers[id]
	if r == nil {
		r = &reader{users: 1, ready: make(chan struct{})}
		if l.readers == nil {
			l.readers = map[int64]*reader{}
		}
		l.readers[id] = r
		l.mu.Unlock()
		return l.openReader(ctx, id, r)
	}
	r.users++
	ready := r.ready
	l.mu.Unlock()
	if ready != nil {
		select {
		case <-ready:
		case <-ctx.Done():
			l.release(r)
			return nil, ctx.Err()
		}
	}
	if r.err != nil { // written before ready was closed
		l.release(r)
		return nil, r.err
	}
	return r, nil
}

func (l *Ledger) openReader(ctx context.Context, id int64, r *reader) (*reader, error) {
	ledger, err := l.m.ledgers.Open(ctx, id, true)
	l.mu.Lock()
	r.ledger, r.err = ledger, err
	close(r.ready)
	r.ready = nil
	if err != nil {
		if l.readers[id] == r {
			delete(l.readers, id)
		}
		l.mu.Unlock()
		return nil, err
	}
	var spare *reader
	if len(l.readers) > maxReaders {
		spare = l.takeUnusedLocked()
	}
	l.mu.Unlock()
	if spare != nil {
		_ = spare.ledger.Close(ctx)
	}
	return r, nil
}

// takeUnusedLocked takes the reader of the oldest ledger that nobody uses out of the table.
func (l *Ledger) takeUnusedLocked() *reader {
	oldest := int64(-1)
	for id, r := range l.readers {
		if r.users == 0 && (oldest < 0 || id < oldest) {
			oldest = id
		}
	}
	r := l.readers[oldest]
	if r != nil {
		delete(l.readers, oldest)
		r.gone = true
	}
	return r
}

func (l *Ledger) release(r *reader) {
	l.mu.Lock()
	r.users--
	last := r.gone && r.users == 0 && r.ledger != nil
	l.mu.Unlock()
	if !last {
		return
	}
	l.m.work.run(func() {
		_ = r.ledger.Close(l.m.ctx)
		if r.erase {
			if err := l.m.ledgers.Delete(l.m.ctx, r.ledger.ID()); err != nil {
				l.logger().Warn("ledger not deleted", "id", r.ledger.ID(), "err", err)
			}
		}
	})
}

// closeUnused closes a reader that was taken out of the table, unless a read runs, which does it then.
func (l *Ledger) closeUnused(ctx context.Context, r *reader) {
	l.mu.Lock()
	unused := r.users == 0 && r.ledger != nil
	l.mu.Unlock()
	if unused {
		_ = r.ledger.Close(ctx)
	}
}

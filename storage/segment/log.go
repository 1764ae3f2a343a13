package segment

import (
	"crypto/rand"
	"errors"
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/vfs"
)

// Log is the store of one bookie in one directory.
type Log struct {
	o    Options
	fs   vfs.FS
	dir  string
	lock io.Closer
	id   logID

	queue     queue
	writer    *writer
	completer completer
	state     state
	metrics   counters

	// mu guards the list, not the segments. Lock order: mu, then an index's mu.
	mu   sync.RWMutex
	open []*segment // unsealed, oldest first; the last one is appended to

	goroutines sync.WaitGroup
	closing    sync.Once
	closed     chan struct{}
	closeErr   error
}

type counters struct {
	syncs atomic.Int64
	bytes atomic.Int64
}

// Open opens or creates the log in dir. When it returns, all that was acknowledged is readable, what is readable is durable,
// and appends are taken. Errors are faults.
func Open(dir string, o Options) (*Log, error) {
	o = o.withDefaults()
	l := &Log{o: o, fs: o.FS, dir: dir, closed: make(chan struct{})}
	l.queue.limit = o.QueueBytes
	l.queue.wake.L = &l.queue.mu
	l.completer.log = l
	if err := l.acquire(); err != nil {
		return nil, err
	}
	if err := l.recover(); err != nil {
		l.release()
		return nil, err
	}
	l.goroutines.Add(2)
	go func() {
		defer l.goroutines.Done()
		l.writer.run()
	}()
	go func() {
		defer l.goroutines.Done()
		l.completeAll(l.writer)
	}()
	return l, nil
}

// acquire makes and locks the directory.
func (l *Log) acquire() error {
	if err := l.fs.MkdirAll(l.dir); err != nil {
		return fault.SegmentUnusable.New("%w", err)
	}
	lock, err := l.fs.Lock(filepath.Join(l.dir, "lock"))
	var held *vfs.LockedError
	if errors.As(err, &held) {
		return fault.SegmentDirectoryInUse.New("%w", err)
	}
	if err != nil {
		return fault.SegmentUnusable.New("%w", err)
	}
	l.lock = lock
	return nil
}

// release closes every file.
func (l *Log) release() error {
	var first error
	for _, s := range l.open {
		if err := s.file.Close(); err != nil && first == nil {
			first = err
		}
	}
	if err := l.lock.Close(); err != nil && first == nil {
		first = err
	}
	return first
}

// begin makes the first segment of a new log.
func (l *Log) begin() error {
	if _, err := rand.Read(l.id[:]); err != nil {
		return fault.SegmentUnusable.New("%w", err)
	}
	s, err := l.create(1)
	if err != nil {
		return err
	}
	l.open = append(l.open, s)
	return nil
}

// create makes a segment whose file and name are durable.
func (l *Log) create(generation uint64) (*segment, error) {
	s, err := createSegment(l.fs, l.dir, l.id, generation)
	if err != nil {
		return nil, err
	}
	if l.o.mutant != mutantNoDirSync {
		if err := l.fs.SyncDir(l.dir); err != nil {
			s.file.Close()
			return nil, err
		}
	}
	return s, nil
}

// Append queues records in order; see bookie.Store.
func (l *Log) Append(records []*bk.Record) {
	if len(records) == 0 || l.queue.add(records, false) {
		return
	}
	// The goroutines have ended with Close, so that this one stands in for the completing goroutine.
	rejected := append([]*bk.Record(nil), records...)
	for _, r := range rejected {
		r.Err = bk.ErrClosed
	}
	go func() {
		p := completer{log: l}
		p.deliver(rejected)
	}()
}

// survivor reports whether the log itself appends the record again.
func (l *Log) survivor(*bk.Record) bool { return false }

// Close drains what is queued, syncs and joins. Later appends complete with bk.ErrClosed. Idempotent.
func (l *Log) Close() error {
	l.closing.Do(func() {
		close(l.closed)
		l.queue.close()
		l.goroutines.Wait()
		l.closeErr = l.release()
	})
	return l.closeErr
}

package segment

import (
	"errors"
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/vfs"
)

// Log is the store of one bookie in one directory.
//
// Lock order: preparing, the registry's, an index's. The queue's, the cache's and the state's are leaves.
type Log struct {
	o    Options
	fs   vfs.FS
	dir  string
	lock io.Closer
	id   logID

	queue     queue
	writer    *writer
	completer completer
	keeper    keeper
	ahead     *ahead
	internal  *survivorsDone
	state     state
	metrics   counters

	reg     registry
	table   table
	cache   cache
	missing map[uint64]bool // generations that should be here and are not; set by Open

	preparing  turn
	generation uint64 // of the youngest segment; guarded by preparing
	wantNext   atomic.Bool
	wantRoll   atomic.Bool
	ballast    atomic.Bool // the file that holds the reserve is there

	started  time.Time
	markedAt atomic.Int64  // nanoseconds after started: when the keeper was last asked to save the watermark
	lostUpTo atomic.Uint64 // generation up to which records were lost; 0: none were

	deleteMu sync.Mutex
	deleted  []int64 // ledgers whose rows the keeper has yet to drop

	goroutines sync.WaitGroup
	kicks      chan struct{}
	closing    sync.Once
	closed     chan struct{}
	closeErr   error
}

// turn is a lock that is held while the disk works. A channel, since fake time does not pass where a goroutine waits for a mutex.
type turn chan struct{}

func (t turn) Lock()   { t <- struct{}{} }
func (t turn) Unlock() { <-t }

// readCache is how many bytes of places are kept for reads.
const readCache = 8 << 20

// Open opens or creates the log in dir. When it returns, all that was acknowledged is readable, what is readable is durable,
// and appends are taken. Errors are faults.
func Open(dir string, o Options) (*Log, error) {
	o = o.withDefaults()
	l := &Log{o: o, fs: o.FS, dir: dir, closed: make(chan struct{}), kicks: make(chan struct{}, 1), preparing: make(turn, 1), missing: map[uint64]bool{}, started: time.Now()}
	l.queue.limit = o.QueueBytes
	l.queue.wake.L = &l.queue.mu
	l.cache.limit = readCache
	l.keeper.log = l
	l.ahead = newAhead(l)
	l.internal = &survivorsDone{}
	l.internal.cond.L = &l.internal.mu
	l.reg.sealed = map[uint64]*segment{}
	l.table.fs, l.table.dir, l.table.log = l.fs, filepath.Join(dir, "table"), o.Log
	l.table.onFull, l.table.onDead, l.table.dead = l.tableFull, l.tableFailed, make(chan struct{})
	if err := l.acquire(); err != nil {
		return nil, err
	}
	if err := l.recover(); err != nil {
		l.release()
		return nil, asFault(err)
	}
	l.table.live.Store(true)
	l.goroutines.Add(4)
	go func() {
		defer l.goroutines.Done()
		l.writer.run()
	}()
	go func() {
		defer l.goroutines.Done()
		l.completeAll(l.writer)
	}()
	go func() {
		defer l.goroutines.Done()
		l.keeper.run()
	}()
	go func() {
		defer l.goroutines.Done()
		l.ahead.run()
	}()
	l.kick()
	return l, nil
}

func asFault(err error) error {
	if _, ok := fault.Of(err); ok {
		return err
	}
	return fault.SegmentUnusable.New("%w", err)
}

// acquire makes and locks the directory.
func (l *Log) acquire() error {
	if err := l.fs.MkdirAll(l.dir); err != nil {
		return asFault(err)
	}
	lock, err := l.fs.Lock(filepath.Join(l.dir, "lock"))
	var held *vfs.LockedError
	if errors.As(err, &held) {
		return fault.SegmentDirectoryInUse.New("%w", err)
	}
	if err != nil {
		return asFault(err)
	}
	l.lock = lock
	return nil
}

// release closes every file.
func (l *Log) release() error {
	err := l.table.close()
	keep := func(e error) {
		if err == nil {
			err = e
		}
	}
	for _, a := range l.reg.open {
		keep(a.file.Close())
	}
	for _, s := range l.reg.sealed {
		keep(s.file.Close())
	}
	for _, s := range l.reg.pool {
		keep(s.file.Close())
	}
	if l.reg.next != nil {
		keep(l.reg.next.file.Close())
	}
	keep(l.lock.Close())
	return err
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
	go new(completer).deliver(rejected)
}

// survivor reports whether the log itself appends the record again.
func (l *Log) survivor(r *bk.Record) bool { return r.Done == bk.RecordsDone(l.internal) }

func (l *Log) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// Close completes what is queued, joins, and closes the files. Later appends complete with bk.ErrClosed. Idempotent.
func (l *Log) Close() error {
	l.closing.Do(func() {
		close(l.closed)
		l.queue.close()
		l.goroutines.Wait()
		l.closeErr = l.release()
	})
	return l.closeErr
}

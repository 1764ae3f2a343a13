// Package local is the metadata store of one machine: Pebble in a directory. A change is answered when Pebble's log is synced;
// changes made at the same time share a sync. Ephemeral values live in memory: the session is the process, and the lock on the
// directory says that there is only one.
//
// What is stored how: docs/format/metadata.md.
package local

import (
	"context"
	"errors"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
)

// Store is a meta.Store and meta.Batcher in a directory. Open makes it.
//
// A key that is being changed is held in changing, from before its old value is looked at until the new one is synced. So changes
// of a key come one after the other, and a reader who met a change waits until it is durable; Pebble itself shows changes before
// that.
type Store struct {
	options  Options
	db       *pebble.DB
	lock     *pebble.Lock
	watchers meta.Watchers
	busy     sync.WaitGroup // operations under way; Close waits for them

	mu         sync.Mutex
	changing   map[string]*change
	ephemerals map[string]ephemeral
	sessions   map[*session]bool
	sequences  map[string]*sequence
	version    meta.Version // of the last change
	failed     error        // sticky: the device failed
	closed     bool
	commits    uint64
}

// change is a key that somebody changes.
type change struct {
	done chan struct{}
}

type ephemeral struct {
	meta.Value
	owner *session
}

// begin says that an operation starts; it must be followed by s.busy.Done if it returns nil.
func (s *Store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return meta.ErrClosed
	case s.failed != nil:
		return s.failed
	}
	s.busy.Add(1)
	return nil
}

// fail makes err sticky: from here on nothing is read or changed.
func (s *Store) fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = fault.MetaFailed.New("%s: %w", s.options.Dir, err)
		s.options.Log.Error("the metadata store takes nothing more", "error", s.failed)
	}
	return s.failed
}

// Get implements meta.Store.
func (s *Store) Get(ctx context.Context, key string) (meta.Value, error) {
	if err := meta.CheckKey(key); err != nil {
		return meta.Value{}, err
	}
	if err := s.begin(ctx); err != nil {
		return meta.Value{}, err
	}
	defer s.busy.Done()
	s.mu.Lock()
	e, ok := s.ephemerals[key]
	s.mu.Unlock()
	if ok {
		v := e.Value
		v.Data = append([]byte(nil), v.Data...)
		return v, nil
	}
	v, err := s.read(key)
	// What was read may be a change that is not yet durable. If somebody changes the key now, wait for that: whichever value was read
	// is durable afterwards, and it was the current one at some time during this call.
	if e := s.settled(ctx, func(changing string) bool { return changing == key }); e != nil {
		return meta.Value{}, e
	}
	return v, err
}

// read returns what Pebble shows under key.
func (s *Store) read(key string) (meta.Value, error) {
	record, closer, err := s.db.Get(valueKey(key))
	if errors.Is(err, pebble.ErrNotFound) {
		return meta.Value{}, meta.ErrNotFound
	}
	if err != nil {
		return meta.Value{}, err
	}
	defer closer.Close()
	return decodeValue(key, record)
}

// settled waits until the changes under way of the keys chosen are durable.
func (s *Store) settled(ctx context.Context, chosen func(key string) bool) error {
	s.mu.Lock()
	var waits []chan struct{}
	for key, c := range s.changing {
		if chosen(key) {
			waits = append(waits, c.done)
		}
	}
	s.mu.Unlock()
	for _, done := range waits {
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// List implements meta.Store.
func (s *Store) List(ctx context.Context, key string) ([]string, error) {
	if err := meta.CheckPrefix(key); err != nil {
		return nil, err
	}
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.busy.Done()
	names, err := s.children(key)
	if err != nil {
		return nil, err
	}
	return names, s.settled(ctx, func(changing string) bool { return meta.Below(changing, key) })
}

// Watch implements meta.Store.
func (s *Store) Watch(ctx context.Context, prefix string, on func(meta.Event)) error {
	return s.watchers.Watch(ctx, prefix, on)
}

// Stats are the store's numbers.
type Stats struct {
	Commits       uint64 // changes made durable since the start, a batch counts once
	LogBytes      uint64 // what of Pebble's write-ahead log is not yet in tables
	TableBytes    uint64 // its tables on disk
	Unsorted      int    // tables that are not yet merged with others; many make reads slow
	MemtableBytes uint64 // memory of what is not yet in tables
	CacheBytes    int64
	Ephemerals    int
	Sessions      int
	Watches       int
}

// Stats returns the store's numbers; all zero when it is closed.
func (s *Store) Stats() Stats {
	if s.begin(context.Background()) != nil {
		return Stats{}
	}
	defer s.busy.Done()
	m := s.db.Metrics()
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{
		Commits: s.commits, LogBytes: m.WAL.Size, TableBytes: uint64(m.Total().TablesSize),
		Unsorted: int(m.Levels[0].TablesCount), MemtableBytes: m.MemTable.Size,
		CacheBytes: m.BlockCache.Size, Ephemerals: len(s.ephemerals), Sessions: len(s.sessions), Watches: s.watchers.Len(),
	}
}

// Close ends sessions and watches, waits for what is under way and closes the directory. It must not be called from a watch.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	failed := s.failed
	for x := range s.sessions {
		x.endLocked()
	}
	s.mu.Unlock()
	s.watchers.Close()
	s.busy.Wait()
	var err error
	if failed == nil {
		err = s.returnSequences()
	}
	return errors.Join(err, s.db.Close(), s.lock.Close())
}

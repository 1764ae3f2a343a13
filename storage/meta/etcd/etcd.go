// Package etcd is the metadata store on an etcd cluster, with keys and values as Apache Pulsar's and BookKeeper's driver for
// etcd lays them out (interop §4.8), so that both can work on one cluster.
//
// A key is the path itself, behind Options.Prefix. A Version is etcd's revision of the key's last change: it never comes again,
// unlike the key's own count of changes, which Apache compares and which starts anew after a deletion. Neither is stored, so
// each side may use its own. Sequences count the changes of the path's parent, as Apache's do.
//
// Answers that get lost. Reads, sequences and changes that expect a version are sent again, to another member if need be, until
// Options.Timeout: they can take effect only once, or it does not matter. When a change that was sent again is refused, it may
// be because the first had arrived, and the result is meta.ErrUnknown; so it is for a change without expectation that was sent
// and not answered.
//
// A session is a lease. It is lost when etcd says that the lease is gone, never because etcd is silent: while etcd is away no
// lease ends, and a process that gave up its locks because of it would stop for nothing. So two processes may both believe
// to hold a lock for a while; what they write is decided by fencing.
//
// What is stored how: docs/format/metadata.md.
package etcd

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/strobemq/strobe/storage/meta"
)

// Store is a meta.Store and meta.Batcher on etcd. Open makes it.
type Store struct {
	options   Options
	client    *clientv3.Client
	cluster   uint64 // etcd's id of the cluster
	delivery  delivery
	life      context.Context // ends at Close
	end       context.CancelFunc
	busy      sync.WaitGroup // operations under way, watches; Close waits for them
	calls     atomic.Uint64
	repeated  atomic.Uint64
	unknown   atomic.Uint64
	resynced  atomic.Uint64
	watches   atomic.Int64
	closeOnce sync.Once
	closeErr  error

	mu       sync.Mutex
	sessions map[*session]bool
	closed   bool
}

// begin says that an operation starts; it must be followed by s.busy.Done if it returns nil.
func (s *Store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return meta.ErrClosed
	}
	s.busy.Add(1)
	return nil
}

// ClusterID is etcd's id of the cluster, the same from every member for ever.
func (s *Store) ClusterID() uint64 { return s.cluster }

// Stats are the store's numbers since it was opened.
type Stats struct {
	Calls    uint64 // operations
	Repeated uint64 // requests that were sent again because the answer to the one before was lost
	Unknown  uint64 // changes that ended with meta.ErrUnknown
	Resynced uint64 // watches that were told to read all again
	Sessions int
	Watches  int
}

// Stats returns the store's numbers.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{
		Calls: s.calls.Load(), Repeated: s.repeated.Load(), Unknown: s.unknown.Load(), Resynced: s.resynced.Load(),
		Sessions: len(s.sessions), Watches: int(s.watches.Load()),
	}
}

// closeTime is how long Close tries to tell etcd that sessions end; their values vanish later by themselves.
const closeTime = 3 * time.Second

// Close ends sessions and watches, gives up what is under way and closes the connections. It must not be called from a watch.
// An error says that sessions could not be ended: their values stay until their time-out.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		s.mu.Lock()
		s.closed = true
		var list []*session
		for x := range s.sessions {
			list = append(list, x)
		}
		s.mu.Unlock()
		errs := make([]error, len(list))
		var wg sync.WaitGroup
		for i, x := range list {
			wg.Go(func() { errs[i] = x.Close() })
		}
		wg.Wait()
		s.end()
		s.busy.Wait()
		s.delivery.close()
		s.closeErr = errors.Join(errs...)
		// Its error is that of a context that ended.
		_ = s.client.Close()
	})
	return s.closeErr
}

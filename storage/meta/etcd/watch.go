package etcd

import (
	"context"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/strobemq/strobe/storage/meta"
)

// watch is one watch of the store: a watch of etcd's, begun again whenever it ends.
type watch struct {
	store  *Store
	ctx    context.Context
	prefix string
	on     func(meta.Event)
}

// Watch implements meta.Store. It costs one round trip, and afterwards the values of all changes at or below prefix come to this
// process, because etcd has no watch of keys alone. A watch that lost its member goes on at another from where it was; one whose
// place was compacted meanwhile is told to read all again.
func (s *Store) Watch(ctx context.Context, prefix string, on func(meta.Event)) error {
	if err := meta.CheckPrefix(prefix); err != nil {
		return err
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	// What is answered from here on has a later revision.
	revision, err := s.revision(ctx)
	if err != nil {
		s.busy.Done()
		return err
	}
	w := &watch{store: s, ctx: ctx, prefix: prefix, on: on}
	s.watches.Add(1)
	go w.run(revision + 1)
	return nil
}

// run follows etcd from the revision next on.
func (w *watch) run(next int64) {
	s := w.store
	defer s.busy.Done()
	defer s.watches.Add(-1)
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	key := w.prefix
	if key == "/" {
		key = ""
	}
	from, end := s.options.Prefix+key, s.options.Prefix+key+after
	if from == "" {
		from = "/"
	}
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		// A member without a leader would keep the watch and say nothing.
		life, stop := context.WithCancel(clientv3.WithRequireLeader(ctx))
		var broken error
		compacted := false
		for r := range s.client.Watch(life, from, clientv3.WithRange(end), clientv3.WithRev(next)) {
			if r.Canceled {
				broken, compacted = r.Err(), r.CompactRevision != 0
				break
			}
			if broken = s.check(r.Header); broken != nil {
				break
			}
			for _, e := range r.Events {
				w.deliver(e)
				next = e.Kv.ModRevision + 1
			}
			pause = firstPause
		}
		stop()
		if ctx.Err() != nil {
			return
		}
		s.options.Log.Debug("a watch begins again", "prefix", w.prefix, "error", broken)
		// Also asked when only the member was lost: a cluster that was restored from a backup is behind where we were.
		revision, err := s.revision(ctx)
		for err != nil && wait(ctx, pause) == nil {
			pause = min(2*pause, longestPause)
			revision, err = s.revision(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		if compacted || revision+1 < next {
			next = revision + 1
			s.resynced.Add(1)
			s.delivery.add(w, meta.Event{Key: w.prefix})
		}
		if wait(ctx, pause) != nil {
			return
		}
	}
}

func (w *watch) deliver(e *clientv3.Event) {
	root := w.store.options.Prefix
	if len(e.Kv.Key) <= len(root)+1 {
		return // the root itself, which counts sequences
	}
	key := string(e.Kv.Key[len(root):])
	if meta.Below(key, w.prefix) {
		w.store.delivery.add(w, meta.Event{Key: key, Deleted: e.Type == mvccpb.DELETE})
	}
}

package etcd

import (
	"context"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/strobemq/strobe/storage/meta"
)

// Sequence implements meta.Store as Apache's driver counts its sequential nodes (interop §4.8): an empty value is put on the
// parent of path, and how often the parent had been changed before is the number. All paths with one parent, and whoever
// else writes to the parent, share the counter; it must never be deleted. The node itself, which Apache makes and deletes
// at once, is not needed.
func (s *Store) Sequence(ctx context.Context, path string) (int64, error) {
	if err := meta.CheckKey(path); err != nil {
		return 0, err
	}
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.busy.Done()
	parent := path[:max(1, strings.LastIndexByte(path, '/'))]
	var n int64
	maybe, err := s.call(ctx, readTime, func(ctx context.Context) (*pb.ResponseHeader, error) {
		r, err := s.client.Put(ctx, s.options.Prefix+parent, "", clientv3.WithPrevKV())
		if err != nil {
			return nil, err
		}
		n = r.PrevKv.GetVersion()
		return r.Header, nil
	})
	if err != nil && maybe {
		return 0, s.uncertain(err)
	}
	return n, err
}

package etcd

import (
	"context"
	"errors"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/strobemq/strobe/storage/meta"
)

// get is a range request that may be sent again.
func (s *Store) get(ctx context.Context, key string, options ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	var r *clientv3.GetResponse
	_, err := s.call(ctx, readTime, func(ctx context.Context) (*pb.ResponseHeader, error) {
		var err error
		if r, err = s.client.Get(ctx, key, options...); err != nil {
			return nil, err
		}
		return r.Header, nil
	})
	return r, err
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
	r, err := s.get(ctx, s.options.Prefix+key)
	if err != nil {
		return meta.Value{}, err
	}
	if len(r.Kvs) == 0 {
		return meta.Value{}, meta.ErrNotFound
	}
	kv := r.Kvs[0]
	return meta.Value{Data: kv.Value, Version: meta.Version(kv.ModRevision), Ephemeral: kv.Lease != 0}, nil
}

// revision is the cluster's, after every change that was answered before the call.
func (s *Store) revision(ctx context.Context) (int64, error) {
	r, err := s.get(ctx, s.options.Prefix+"/", clientv3.WithKeysOnly())
	if err != nil {
		return 0, err
	}
	return r.Header.Revision, nil
}

// List implements meta.Store. It reads keys page by page, all of one revision, and leaps over what lies below a child where a page
// ends in it.
func (s *Store) List(ctx context.Context, key string) ([]string, error) {
	if err := meta.CheckPrefix(key); err != nil {
		return nil, err
	}
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.busy.Done()
	for {
		names, err := s.list(ctx, key)
		if !errors.Is(err, rpctypes.ErrCompacted) {
			return names, err
		}
		// The revision was compacted between two pages: begin again with a new one.
	}
}

func (s *Store) list(ctx context.Context, key string) ([]string, error) {
	c := newChildren(s.options.Prefix, key)
	revision := int64(0) // the newest
	for from := c.prefix; from != ""; {
		r, err := s.get(ctx, from, clientv3.WithRange(c.end), clientv3.WithKeysOnly(), clientv3.WithLimit(listPage), clientv3.WithRev(revision))
		if err != nil {
			return nil, err
		}
		if revision == 0 {
			revision = r.Header.Revision
		}
		from = ""
		for _, kv := range r.Kvs {
			from = c.add(string(kv.Key))
		}
		if !r.More {
			break
		}
	}
	return c.sorted(), nil
}

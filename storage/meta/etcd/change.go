package etcd

import (
	"context"
	"errors"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/strobemq/strobe/storage/meta"
)

// Put implements meta.Store.
func (s *Store) Put(ctx context.Context, key string, data []byte, expect meta.Version) (meta.Version, error) {
	versions, err := s.Batch(ctx, []meta.Change{{Key: key, Data: data, Expect: expect}})
	if err != nil {
		return 0, err
	}
	return versions[0], nil
}

// Delete implements meta.Store.
func (s *Store) Delete(ctx context.Context, key string, expect meta.Version) error {
	_, err := s.Batch(ctx, []meta.Change{{Key: key, Delete: true, Expect: expect}})
	return err
}

// Batch implements meta.Batcher: one transaction. Its values together must fit etcd's limit of a request (1.5 MiB unless set),
// else fault.EtcdRequest. All changes of a batch get the same version.
func (s *Store) Batch(ctx context.Context, changes []meta.Change) ([]meta.Version, error) {
	if err := meta.CheckBatch(changes); err != nil || len(changes) == 0 {
		return nil, err
	}
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.busy.Done()
	return s.change(ctx, changes, clientv3.NoLease)
}

// errTwice is why a change that was refused may have happened.
var errTwice = errors.New("the first answer was lost, and the change was refused when it was sent again")

// change makes all changes or none; puts are bound to lease if there is one.
func (s *Store) change(ctx context.Context, changes []meta.Change, lease clientv3.LeaseID) ([]meta.Version, error) {
	t := transaction{root: s.options.Prefix, changes: changes, lease: lease, absent: make([]bool, len(changes))}
	for {
		var r *clientv3.TxnResponse
		ifs, thens, elses := t.build()
		maybe, err := s.call(ctx, t.patience(), func(ctx context.Context) (*pb.ResponseHeader, error) {
			var err error
			if r, err = s.client.Txn(ctx).If(ifs...).Then(thens...).Else(elses...).Commit(); err != nil {
				return nil, err
			}
			return r.Header, nil
		})
		switch {
		case err != nil && maybe:
			return nil, s.uncertain(err)
		case err != nil:
			return nil, err
		case r.Succeeded:
			return t.versions(r.Header.Revision), nil
		case maybe:
			return nil, s.uncertain(errTwice)
		}
		if err := t.judge(r.Responses); err != nil {
			return nil, err
		}
	}
}

// transaction is a batch as etcd sees it. A put without expectation must know whether the key exists, because an ephemeral value
// stays one only if the put says to keep the lease, which etcd refuses where there is no key: so it expects what absent says, and
// judge corrects that.
type transaction struct {
	root    string
	changes []meta.Change
	lease   clientv3.LeaseID
	absent  []bool
}

// patience is that of call: a batch that expects a version can be made only once, and so may be sent again.
func (t *transaction) patience() time.Duration {
	for _, c := range t.changes {
		if c.Expect != meta.Any {
			return changeTime
		}
	}
	return once
}

// never is a revision that no key has, unlike 0, which is that of keys that do not exist.
const never = -1

func (t *transaction) build() (ifs []clientv3.Cmp, thens, elses []clientv3.Op) {
	for i, c := range t.changes {
		key := t.root + c.Key
		create := c.Expect == meta.Absent || c.Expect == meta.Any && t.absent[i]
		switch {
		case c.Expect == meta.Any && (c.Delete || !t.absent[i]):
			ifs = append(ifs, clientv3.Compare(clientv3.CreateRevision(key), ">", 0))
		case create && !c.Delete:
			ifs = append(ifs, clientv3.Compare(clientv3.CreateRevision(key), "=", 0))
		default:
			revision := int64(c.Expect)
			if revision <= 0 {
				revision = never
			}
			ifs = append(ifs, clientv3.Compare(clientv3.ModRevision(key), "=", revision))
		}
		switch {
		case c.Delete:
			thens = append(thens, clientv3.OpDelete(key))
		case create:
			thens = append(thens, clientv3.OpPut(key, string(c.Data), clientv3.WithLease(t.lease)))
		default:
			thens = append(thens, clientv3.OpPut(key, string(c.Data), clientv3.WithIgnoreLease()))
		}
		elses = append(elses, clientv3.OpGet(key, clientv3.WithKeysOnly()))
	}
	return ifs, thens, elses
}

// judge says why the batch was refused, from the keys' versions then. nil: only what absent says was wrong, and is right now.
func (t *transaction) judge(responses []*pb.ResponseOp) error {
	for i, c := range t.changes {
		have := meta.Absent
		if kvs := responses[i].GetResponseRange().GetKvs(); len(kvs) > 0 {
			have = meta.Version(kvs[0].ModRevision)
		}
		if err := meta.Expected(c, have); err != nil {
			return err
		}
		t.absent[i] = have == meta.Absent
	}
	return nil
}

func (t *transaction) versions(revision int64) []meta.Version {
	versions := make([]meta.Version, len(t.changes))
	for i, c := range t.changes {
		if !c.Delete {
			versions[i] = meta.Version(revision)
		}
	}
	return versions
}

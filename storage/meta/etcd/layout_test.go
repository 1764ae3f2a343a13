package etcd_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/etcd"
	"github.com/strobemq/strobe/storage/meta/etcd/etcdtest"
)

// raw is a client that knows nothing of the store.
func raw(t testing.TB, c *etcdtest.Cluster) *clientv3.Client {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: c.Endpoints(), Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// What etcd holds is what Apache's driver would have put there.
func TestLayout(t *testing.T) {
	c := shared(t)
	ctx, client := t.Context(), raw(t, c)
	s := open(t, c, func(o *etcd.Options) { o.Prefix = "" })
	if _, err := s.Put(ctx, "/layout/value", []byte("data"), meta.Absent); err != nil {
		t.Fatal(err)
	}
	session, err := s.Session(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.PutEphemeral(ctx, "/layout/lock", []byte("mine")); err != nil {
		t.Fatal(err)
	}
	r, err := client.Get(ctx, "/layout/", clientv3.WithPrefix())
	if err != nil || len(r.Kvs) != 2 {
		t.Fatalf("%v %v", r, err)
	}
	lock, value := r.Kvs[0], r.Kvs[1]
	if string(lock.Key) != "/layout/lock" || string(lock.Value) != "mine" || lock.Lease == 0 {
		t.Errorf("lock: %+v", lock)
	}
	if string(value.Key) != "/layout/value" || string(value.Value) != "data" || value.Lease != 0 || value.Version != 1 {
		t.Errorf("value: %+v", value)
	}
	ttl, err := client.TimeToLive(ctx, clientv3.LeaseID(lock.Lease))
	if err != nil || ttl.GrantedTTL != 10 {
		t.Errorf("lease: %+v %v, want 10 s", ttl, err)
	}

	// Apache's sequential put: an empty value on the parent, whose version less one is the number; then the child.
	apache := func() int64 {
		if _, err := client.Put(ctx, "/layout/idgen", ""); err != nil {
			t.Fatal(err)
		}
		r, err := client.Get(ctx, "/layout/idgen")
		if err != nil {
			t.Fatal(err)
		}
		return r.Kvs[0].Version - 1
	}
	for want := int64(0); want < 6; want++ {
		n := int64(-1)
		if want%3 == 1 {
			n = apache()
		} else if n, err = s.Sequence(ctx, "/layout/idgen/ID-"); err != nil {
			t.Fatal(err)
		}
		if n != want {
			t.Fatalf("number %d, want %d", n, want)
		}
	}
	if names, err := s.List(ctx, "/layout"); err != nil || !slices.Equal(names, []string{"idgen", "lock", "value"}) {
		t.Errorf("%q %v", names, err)
	}
}

func TestLargeListing(t *testing.T) {
	s := open(t, shared(t))
	var want []string
	for i := range 20 {
		changes := make([]meta.Change, meta.MaxBatch)
		for j := range changes {
			name := fmt.Sprintf("n%04d", i*len(changes)+j)
			want = append(want, name)
			key := "/all/" + name
			if j%2 == 0 {
				key += "/below/it"
			}
			changes[j] = meta.Change{Key: key, Expect: meta.Any} // a guess that is wrong for all
		}
		if _, err := s.Batch(t.Context(), changes); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.List(t.Context(), "/all"); err != nil || !slices.Equal(got, want) {
		t.Fatalf("%d names %v, want %d", len(got), err, len(want))
	}
}

func TestTooLarge(t *testing.T) {
	s := open(t, shared(t))
	big := bytes.Repeat([]byte("v"), meta.MaxValue)
	_, err := s.Batch(t.Context(), []meta.Change{{Key: "/a", Data: big, Expect: meta.Absent}, {Key: "/b", Data: big, Expect: meta.Absent}})
	if !fault.Has(err, fault.EtcdRequest) {
		t.Fatalf("%v, want a fault", err)
	}
	if names, err := s.List(t.Context(), "/"); err != nil || len(names) != 0 {
		t.Fatalf("%q %v after a refused batch", names, err)
	}
}

func BenchmarkStore(b *testing.B) {
	for _, members := range []int{1, 3} {
		c, err := etcdtest.Start(etcdtest.Options{Dir: b.TempDir(), Members: members})
		if err != nil {
			b.Fatal(err)
		}
		s := open(b, c)
		ctx, data := b.Context(), bytes.Repeat([]byte("v"), 256)
		version, err := s.Put(ctx, "/k", data, meta.Absent)
		if err != nil {
			b.Fatal(err)
		}
		for name, f := range map[string]func() error{
			"Get":      func() error { _, err := s.Get(ctx, "/k"); return err },
			"Put":      func() (err error) { version, err = s.Put(ctx, "/k", data, version); return err },
			"Sequence": func() error { _, err := s.Sequence(ctx, "/ids/ID-"); return err },
			"Watch":    func() error { return s.Watch(ctx, "/none", func(meta.Event) {}) },
			"Session": func() error {
				x, err := s.Session(ctx)
				if err != nil {
					return err
				}
				return x.Close()
			},
		} {
			b.Run(fmt.Sprintf("members=%d/%s", members, name), func(b *testing.B) {
				for b.Loop() {
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		s.Close()
		c.Close()
	}
}

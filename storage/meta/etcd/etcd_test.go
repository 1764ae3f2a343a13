package etcd_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/etcd"
	"github.com/strobemq/strobe/storage/meta/etcd/etcdtest"
	"github.com/strobemq/strobe/storage/storagetest"
)

// single is one member that the tests without faults share; every store has a prefix of its own.
var single = sync.OnceValues(func() (*etcdtest.Cluster, error) {
	c, err := etcdtest.Start(etcdtest.Options{Progress: os.Stderr})
	if err == nil {
		closeSingle = c.Close
	}
	return c, err
})

var closeSingle = func() {}

func TestMain(m *testing.M) {
	code := m.Run()
	closeSingle()
	os.Exit(code)
}

func shared(t testing.TB) *etcdtest.Cluster {
	t.Helper()
	c, err := single()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var prefixes atomic.Int64

// open returns an empty store on c.
func open(t testing.TB, c *etcdtest.Cluster, change ...func(*etcd.Options)) *etcd.Store {
	t.Helper()
	o, err := etcd.ParseURL(c.URL() + fmt.Sprintf("/test-%d", prefixes.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(&o)
	}
	s, err := etcd.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestStore(t *testing.T) {
	t.Parallel()
	c := shared(t)
	storagetest.Meta(t, func(t *testing.T) meta.Store { return open(t, c) })
}

// bounded is a context for one test's waits.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	t.Cleanup(cancel)
	return ctx
}

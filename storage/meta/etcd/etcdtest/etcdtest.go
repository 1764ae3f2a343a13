// Package etcdtest runs real etcd clusters of the caller's own, for tests, `make cluster` and benchmarks. It needs only Go and its
// module proxy, no container and no installed etcd, and listens on 127.0.0.1 only.
//
// The program is the one that STROBE_ETCD names, else etcd Version, built once from the nested module server into the user's cache
// directory. Each member is a process: it can be killed, stopped, held up and started again, and dies with the process that started
// it, also when that one is killed (Linux).
package etcdtest

// Version is what is built. It is the version in server/go.mod.
const Version = "3.7.3"

// TB is what New needs of a *testing.T.
type TB interface {
	Helper()
	Fatal(args ...any)
	Cleanup(func())
	TempDir() string
}

// New starts a cluster for a test and closes it at the test's end.
func New(t TB, members int) *Cluster {
	t.Helper()
	c, err := Start(Options{Dir: t.TempDir(), Members: members})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

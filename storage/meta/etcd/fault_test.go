package etcd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/etcd"
	"github.com/strobemq/strobe/storage/meta/etcd/etcdtest"
)

// TestFaults takes members of one cluster of three away in turns.
func TestFaults(t *testing.T) {
	t.Parallel()
	c, err := etcdtest.Start(etcdtest.Options{
		Dir: t.TempDir(), Members: 3, Args: []string{"--heartbeat-interval", "50", "--election-timeout", "500"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	t.Run("Load", func(t *testing.T) { faultsUnderLoad(t, c) })
	t.Run("Quorum", func(t *testing.T) { quorumLost(t, c) })
	t.Run("Compaction", func(t *testing.T) { compactedWatch(t, c) })
	t.Run("Lease", func(t *testing.T) { expiredLease(t, c) })
}

// load changes a counter by compare-and-set and takes numbers of a sequence until it is stopped.
type load struct {
	s     *etcd.Store
	stop  atomic.Bool
	done  atomic.Int64 // operations that were answered
	maybe atomic.Int64 // changes whose result is unknown
	wg    sync.WaitGroup

	mu      sync.Mutex
	written map[string]bool // counter values that were acknowledged
	numbers map[int64]bool
}

func startLoad(t *testing.T, s *etcd.Store) *load {
	l := &load{s: s, written: map[string]bool{}, numbers: map[int64]bool{}}
	if _, err := s.Put(t.Context(), "/counter", []byte("0"), meta.Absent); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		l.wg.Go(func() { l.count(t) })
	}
	l.wg.Go(func() { l.number(t) })
	return l
}

func (l *load) count(t *testing.T) {
	for !l.stop.Load() {
		v, err := l.s.Get(t.Context(), "/counter")
		if err != nil {
			t.Errorf("get: %v", err)
			return
		}
		var n int
		fmt.Sscan(string(v.Data), &n)
		next := fmt.Sprint(n + 1)
		switch _, err := l.s.Put(t.Context(), "/counter", []byte(next), v.Version); {
		case err == nil:
			l.done.Add(1)
			l.mu.Lock()
			if l.written[next] {
				t.Errorf("%s was written twice", next)
			}
			l.written[next] = true
			l.mu.Unlock()
		case errors.Is(err, meta.ErrUnknown):
			l.maybe.Add(1)
		case !errors.Is(err, meta.ErrConflict):
			t.Errorf("put: %v", err)
			return
		}
	}
}

func (l *load) number(t *testing.T) {
	last := int64(-1)
	for !l.stop.Load() {
		n, err := l.s.Sequence(t.Context(), "/ids/ID-")
		if err != nil || n <= last {
			t.Errorf("sequence: %d after %d, %v", n, last, err)
			return
		}
		last = n
		l.done.Add(1)
	}
}

// more waits until n further operations were answered.
func (l *load) more(t *testing.T, n int64) {
	t.Helper()
	ctx := bounded(t)
	for until := l.done.Load() + n; l.done.Load() < until && !t.Failed(); {
		tick(t, ctx)
	}
}

// tick is between two looks at a condition.
func tick(t *testing.T, ctx context.Context) {
	t.Helper()
	select {
	case <-time.After(5 * time.Millisecond):
	case <-ctx.Done():
		t.Fatal("nothing happens any more")
	}
}

// faultsUnderLoad: while the leader is killed and started again, and the next one hangs, no operation fails; nothing is
// made twice, nothing acknowledged is lost, and a watch and a session live through all of it.
func faultsUnderLoad(t *testing.T, c *etcdtest.Cluster) {
	s := open(t, c)
	session, err := s.Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.PutEphemeral(t.Context(), "/lock", nil); err != nil {
		t.Fatal(err)
	}
	var events atomic.Int64
	if err := s.Watch(t.Context(), "/counter", func(meta.Event) { events.Add(1) }); err != nil {
		t.Fatal(err)
	}
	l := startLoad(t, s)
	l.more(t, 20)
	leader, err := c.Leader(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	leader.Kill()
	l.more(t, 20)
	t.Logf("20 operations after the leader's kill took %s", time.Since(began).Round(time.Millisecond))
	restart(t, c, leader)
	if leader, err = c.Leader(bounded(t)); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	leader.Pause()
	l.more(t, 10)
	t.Logf("10 operations after the leader hung took %s", time.Since(began).Round(time.Millisecond))
	leader.Resume()
	l.more(t, 20)
	l.stop.Store(true)
	l.wg.Wait()

	v, err := s.Get(t.Context(), "/counter")
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	fmt.Sscan(string(v.Data), &n)
	acked := int64(len(l.written))
	if n < acked || n > acked+l.maybe.Load() {
		t.Fatalf("the counter is %d after %d acknowledged and %d unknown changes", n, acked, l.maybe.Load())
	}
	ctx := bounded(t)
	for events.Load() < n+1 && s.Stats().Resynced == 0 {
		tick(t, ctx)
	}
	if s.Stats().Resynced == 0 && events.Load() != n+1 {
		t.Errorf("a watch saw %d changes of %d", events.Load(), n+1)
	}
	select {
	case <-session.Lost():
		t.Error("the session was lost though a majority always lived")
	default:
	}
	if _, err := s.Get(t.Context(), "/lock"); err != nil {
		t.Errorf("the lock: %v", err)
	}
	t.Logf("%d changes acknowledged, %d unknown, %+v", acked, l.maybe.Load(), s.Stats())
}

func restart(t *testing.T, c *etcdtest.Cluster, members ...*etcdtest.Member) {
	t.Helper()
	for _, m := range members {
		if err := m.Start(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Wait(bounded(t)); err != nil {
		t.Fatal(err)
	}
}

// quorumLost: two of three members away for longer than a session lasts. Calls fail with a code after their time-out, changes say that
// their result is unknown, and the session is there when etcd is back, because no lease ends while nobody leads.
func quorumLost(t *testing.T, c *etcdtest.Cluster) {
	s := open(t, c, func(o *etcd.Options) { o.SessionTimeout, o.Timeout = time.Second, time.Second })
	session, err := s.Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.PutEphemeral(t.Context(), "/lock", nil); err != nil {
		t.Fatal(err)
	}
	news := make(chan meta.Event, 100)
	if err := s.Watch(t.Context(), "/after", func(e meta.Event) { news <- e }); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	c.Members[0].Kill()
	c.Members[1].Kill()
	if _, err := s.Get(t.Context(), "/lock"); !fault.Has(err, fault.EtcdUnreachable) {
		t.Errorf("get: %v, want a fault", err)
	}
	if _, err := s.Put(t.Context(), "/any", nil, meta.Any); !errors.Is(err, meta.ErrUnknown) || !fault.Has(err, fault.EtcdUnreachable) {
		t.Errorf("put: %v, want ErrUnknown and a fault", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	if _, err := s.Put(ctx, "/any", nil, meta.Absent); !errors.Is(err, meta.ErrUnknown) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("put: %v, want ErrUnknown and DeadlineExceeded", err)
	}
	cancel()
	t.Logf("calls failed within %s", time.Since(began).Round(time.Millisecond))
	select {
	case <-session.Lost():
		t.Error("the session was lost because etcd was silent")
	case <-time.After(time.Until(began.Add(3 * time.Second))):
	}
	restart(t, c, c.Members[0], c.Members[1])
	if v, err := s.Get(t.Context(), "/lock"); err != nil || !v.Ephemeral {
		t.Errorf("the lock: %+v %v", v, err)
	}
	if _, err := s.Put(t.Context(), "/after", nil, meta.Absent); err != nil {
		t.Error(err)
	}
	select {
	case <-news:
	case <-session.Lost():
		t.Error("the session was lost")
	case <-bounded(t).Done():
		t.Error("the watch is silent after etcd came back")
	}
}

// compactedWatch: a watch whose only member is away while the others change and compact is told to read again, and then goes on.
func compactedWatch(t *testing.T, c *etcdtest.Cluster) {
	alone := open(t, c, func(o *etcd.Options) { o.Endpoints, o.Prefix = o.Endpoints[:1], "/compacted" })
	others := open(t, c, func(o *etcd.Options) { o.Endpoints, o.Prefix = o.Endpoints[1:], "/compacted" })
	news := make(chan meta.Event, 100)
	if err := alone.Watch(t.Context(), "/w", func(e meta.Event) { news <- e }); err != nil {
		t.Fatal(err)
	}
	next := func() meta.Event {
		select {
		case e := <-news:
			return e
		case <-bounded(t).Done():
			t.Fatal("the watch is silent")
			return meta.Event{}
		}
	}
	put := func(key string) {
		if _, err := others.Put(t.Context(), key, nil, meta.Absent); err != nil {
			t.Fatal(err)
		}
	}
	put("/w/1")
	if e := next(); e.Key != "/w/1" {
		t.Fatalf("%+v", e)
	}
	c.Members[0].Kill()
	put("/w/2")
	put("/w/3")
	client := raw(t, c)
	r, err := client.Get(t.Context(), "/compacted/w/3")
	if err == nil {
		_, err = client.Compact(t.Context(), r.Header.Revision, clientv3.WithCompactPhysical())
	}
	if err != nil {
		t.Fatal(err)
	}
	restart(t, c, c.Members[0])
	if e := next(); e != (meta.Event{Key: "/w"}) {
		t.Fatalf("%+v, want to be told to read all again", e)
	}
	put("/w/4")
	if e := next(); e.Key != "/w/4" {
		t.Fatalf("%+v", e)
	}
}

// expiredLease: a session whose only member is away ends at the others, and learns it when the member is back.
func expiredLease(t *testing.T, c *etcdtest.Cluster) {
	alone := open(t, c, func(o *etcd.Options) {
		o.Endpoints, o.Prefix, o.SessionTimeout = o.Endpoints[:1], "/expired", time.Second
	})
	others := open(t, c, func(o *etcd.Options) { o.Endpoints, o.Prefix = o.Endpoints[1:], "/expired" })
	session, err := alone.Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.PutEphemeral(t.Context(), "/lock", nil); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{}, 10)
	err = others.Watch(t.Context(), "/lock", func(e meta.Event) {
		if e.Deleted {
			gone <- struct{}{}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Members[0].Kill()
	select {
	case <-gone:
	case <-bounded(t).Done():
		t.Fatal("the lock of a silent session stays")
	}
	select {
	case <-session.Lost():
		t.Error("lost before anybody said so")
	default:
	}
	restart(t, c, c.Members[0])
	select {
	case <-session.Lost():
	case <-bounded(t).Done():
		t.Fatal("the session does not learn that it is over")
	}
	if _, err := session.PutEphemeral(t.Context(), "/lock", nil); !errors.Is(err, meta.ErrClosed) {
		t.Errorf("put in a lost session: %v, want ErrClosed", err)
	}
	if err := session.Close(); err != nil {
		t.Errorf("close of a lost session: %v", err)
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o, err := etcd.ParseURL("etcd://" + l.Addr().String())
	l.Close()
	if err != nil {
		t.Fatal(err)
	}
	o.Timeout = 300 * time.Millisecond
	if _, err := etcd.Open(t.Context(), o); !fault.Has(err, fault.EtcdUnreachable) {
		t.Fatalf("%v, want a fault", err)
	}
}

func TestOtherCluster(t *testing.T) {
	t.Parallel()
	one, two := shared(t), etcdtest.New(t, 1)
	_, err := etcd.Open(t.Context(), etcd.Options{Endpoints: append(one.Endpoints(), two.Endpoints()...)})
	if !fault.Has(err, fault.EtcdCluster) {
		t.Fatalf("%v, want a fault", err)
	}
}

// A full etcd with authentication.
func TestRefusals(t *testing.T) {
	t.Parallel()
	c, err := etcdtest.Start(etcdtest.Options{Dir: t.TempDir(), Args: []string{"--quota-backend-bytes", "4194304"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	ctx, client := t.Context(), raw(t, c)
	for _, step := range []func() error{
		func() error { _, err := client.UserAdd(ctx, "root", "right"); return err },
		func() error { _, err := client.UserGrantRole(ctx, "root", "root"); return err },
		func() error { _, err := client.UserAdd(ctx, "nobody", "right"); return err },
		func() error { _, err := client.AuthEnable(ctx); return err },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	o := etcd.Options{
		Endpoints: c.Endpoints(), Timeout: 10 * time.Second,
		Secret: func(reference string) (string, error) {
			secret, ok := map[string]string{"env:RIGHT": "right", "env:WRONG": "wrong"}[reference]
			if !ok {
				return "", errors.New("no such secret")
			}
			return secret, nil
		},
	}
	for _, refused := range []struct {
		user, password string
		want           *fault.Fault
	}{
		{"", "", fault.EtcdAuth},
		{"root", "env:WRONG", fault.EtcdAuth},
		{"nobody", "env:RIGHT", fault.EtcdAuth},
		{"root", "env:NOTHING", fault.EtcdCredentials},
	} {
		o.User, o.Password = refused.user, refused.password
		if s, err := etcd.Open(ctx, o); !fault.Has(err, refused.want) {
			t.Errorf("%s with %s: %v %v, want %s", refused.user, refused.password, s, err, refused.want.Code)
		}
	}
	o.User, o.Password = "root", "env:RIGHT"
	s, err := etcd.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	session, err := s.Session(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.PutEphemeral(ctx, "/lock", nil); err != nil {
		t.Fatal(err)
	}
	big := bytes.Repeat([]byte("v"), meta.MaxValue)
	for i := 0; err == nil && i < 100; i++ {
		_, err = s.Put(ctx, fmt.Sprintf("/big/%d", i), big, meta.Absent)
	}
	if !fault.Has(err, fault.EtcdSpace) || errors.Is(err, meta.ErrUnknown) {
		t.Errorf("put into a full etcd: %v, want a fault", err)
	}
	if err := session.Close(); err != nil {
		t.Errorf("a session of a full etcd: %v", err)
	}
	if _, err := s.Get(ctx, "/lock"); !errors.Is(err, meta.ErrNotFound) {
		t.Errorf("its lock: %v", err)
	}
}

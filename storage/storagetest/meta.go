package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
)

// patience is how long the suite waits for something that must happen; it is never waited out when all is well.
const patience = 10 * time.Second

// Meta is the conformance suite of meta.Store. open returns an empty store of its own each time and closes it at the end of t.
func Meta(t *testing.T, open func(t *testing.T) meta.Store) {
	for name, test := range map[string]func(t *testing.T, s meta.Store){
		"Get": metaGet, "CompareAndSet": metaCompareAndSet, "Versions": metaVersions, "DataIsCopied": metaDataIsCopied,
		"List": metaList, "Limits": metaLimits, "Sequence": metaSequence, "Ephemeral": metaEphemeral,
		"EphemeralUpdate": metaEphemeralUpdate, "Watch": metaWatch, "WatchPrefix": metaWatchPrefix, "WatchOrder": metaWatchOrder,
		"Race": metaRace, "Batch": metaBatch, "Canceled": metaCanceled, "Closed": metaClosed,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func metaGet(t *testing.T, s meta.Store) {
	ctx := t.Context()
	if _, err := s.Get(ctx, "/a"); !errors.Is(err, meta.ErrNotFound) {
		t.Fatalf("get of nothing: %v, want ErrNotFound", err)
	}
	version := mustPut(t, s, "/a/b/c", "deep", meta.Absent)
	mustPut(t, s, "/empty", "", meta.Absent)
	v, err := s.Get(ctx, "/a/b/c")
	if err != nil || string(v.Data) != "deep" || v.Version != version || v.Ephemeral {
		t.Fatalf("get: %+v %v, want deep at %d", v, err, version)
	}
	if v, err := s.Get(ctx, "/empty"); err != nil || len(v.Data) != 0 {
		t.Fatalf("an empty value: %+v %v", v, err)
	}
	for _, parent := range []string{"/a", "/a/b"} {
		if _, err := s.Get(ctx, parent); err != nil && !errors.Is(err, meta.ErrNotFound) {
			t.Fatalf("get of parent %s: %v", parent, err)
		}
	}
	if err := s.Delete(ctx, "/a/b/c", version); err != nil {
		t.Fatalf("delete: %v", err)
	}
	if _, err := s.Get(ctx, "/a/b/c"); !errors.Is(err, meta.ErrNotFound) {
		t.Fatalf("get after delete: %v, want ErrNotFound", err)
	}
}

func metaCompareAndSet(t *testing.T, s meta.Store) {
	ctx := t.Context()
	if _, err := s.Put(ctx, "/k", nil, 7); !errors.Is(err, meta.ErrConflict) {
		t.Fatalf("put of version 7 on nothing: %v, want ErrConflict", err)
	}
	if err := s.Delete(ctx, "/k", meta.Any); !errors.Is(err, meta.ErrNotFound) {
		t.Fatalf("delete of nothing: %v, want ErrNotFound", err)
	}
	v1 := mustPut(t, s, "/k", "1", meta.Absent)
	if _, err := s.Put(ctx, "/k", []byte("x"), meta.Absent); !errors.Is(err, meta.ErrConflict) {
		t.Fatalf("second create: %v, want ErrConflict", err)
	}
	v2 := mustPut(t, s, "/k", "2", v1)
	if v2 == v1 {
		t.Fatal("a change kept the version")
	}
	if _, err := s.Put(ctx, "/k", []byte("x"), v1); !errors.Is(err, meta.ErrConflict) {
		t.Fatalf("put of an old version: %v, want ErrConflict", err)
	}
	if err := s.Delete(ctx, "/k", v1); !errors.Is(err, meta.ErrConflict) {
		t.Fatalf("delete of an old version: %v, want ErrConflict", err)
	}
	if v, err := s.Get(ctx, "/k"); err != nil || string(v.Data) != "2" || v.Version != v2 {
		t.Fatalf("refused changes changed something: %+v %v", v, err)
	}
	mustPut(t, s, "/k", "3", meta.Any)
	mustPut(t, s, "/new", "1", meta.Any)
	if err := s.Delete(ctx, "/k", meta.Any); err != nil {
		t.Fatalf("delete of any version: %v", err)
	}
}

// metaVersions: the version of a key that was deleted and created again is not one of its former life, so that whoever held the old
// one cannot take the new value for its own. (ZooKeeper counts from 0 again, and its users must look at the value too.)
func metaVersions(t *testing.T, s meta.Store) {
	seen := map[meta.Version]bool{}
	for range 3 {
		v := mustPut(t, s, "/k", "same", meta.Absent)
		v2 := mustPut(t, s, "/k", "same", v)
		if v == meta.Absent || v == meta.Any || v2 == meta.Absent || v2 == meta.Any {
			t.Fatalf("versions %d %d stand for something else", v, v2)
		}
		if seen[v] || seen[v2] {
			t.Fatalf("a version came back after a delete: %d %d", v, v2)
		}
		seen[v], seen[v2] = true, true
		if err := s.Delete(t.Context(), "/k", v2); err != nil {
			t.Fatal(err)
		}
	}
}

func metaDataIsCopied(t *testing.T, s meta.Store) {
	data := []byte("mine")
	if _, err := s.Put(t.Context(), "/k", data, meta.Absent); err != nil {
		t.Fatal(err)
	}
	data[0] = 'X'
	for range 2 {
		v, err := s.Get(t.Context(), "/k")
		if err != nil || string(v.Data) != "mine" {
			t.Fatalf("%q %v, want mine", v.Data, err)
		}
		v.Data[0] = 'X'
	}
}

func metaList(t *testing.T, s meta.Store) {
	for _, key := range []string{"/l/b/1", "/l/b-x", "/l/b", "/l/a/1/2/3", "/l/c", "/l0", "/lx/y", "/l/b/2", "/l/%2F", "/l/b!"} {
		mustPut(t, s, key, key, meta.Absent)
	}
	for prefix, want := range map[string][]string{
		"/l":       {"%2F", "a", "b", "b!", "b-x", "c"},
		"/l/b":     {"1", "2"},
		"/l/a":     {"1"},
		"/l/a/1":   {"2"},
		"/l/c":     {},
		"/nothing": {},
	} {
		if got, err := s.List(t.Context(), prefix); err != nil || !slices.Equal(got, want) {
			t.Errorf("list %s: %q %v, want %q", prefix, got, err, want)
		}
	}
	root, err := s.List(t.Context(), "/")
	if err != nil || !slices.Contains(root, "l") || !slices.Contains(root, "l0") || !slices.Contains(root, "lx") {
		t.Errorf("list /: %q %v", root, err)
	}
	if err := s.Delete(t.Context(), "/l/a/1/2/3", meta.Any); err != nil {
		t.Fatal(err)
	}
	session := mustSession(t, s)
	if _, err := session.PutEphemeral(t.Context(), "/l/b/15", nil); err != nil {
		t.Fatal(err)
	}
	if got, err := s.List(t.Context(), "/l/b"); err != nil || !slices.Equal(got, []string{"1", "15", "2"}) {
		t.Errorf("an ephemeral key among others: %q %v", got, err)
	}
}

func metaLimits(t *testing.T, s meta.Store) {
	ctx := t.Context()
	for _, key := range []string{
		"", "/", "a", "a/b", "/a/", "//a", "/a//b", "/.", "/a/../b", "/a\x00", "/a\nb", "/\xff", "/" + strings.Repeat("k", meta.MaxKey),
	} {
		if _, err := s.Put(ctx, key, nil, meta.Any); !fault.Has(err, fault.MetaKey) {
			t.Errorf("put %.20q: %v, want a fault", key, err)
		}
		if _, err := s.Get(ctx, key); !fault.Has(err, fault.MetaKey) {
			t.Errorf("get %.20q: %v, want a fault", key, err)
		}
	}
	longest := "/" + strings.Repeat("k", meta.MaxKey-1)
	largest := bytes.Repeat([]byte("v"), meta.MaxValue)
	if _, err := s.Put(ctx, longest, largest, meta.Absent); err != nil {
		t.Fatalf("the largest value under the longest key: %v", err)
	}
	if v, err := s.Get(ctx, longest); err != nil || !bytes.Equal(v.Data, largest) {
		t.Fatalf("the largest value came back with %d bytes, %v", len(v.Data), err)
	}
	if _, err := s.Put(ctx, "/k", append(largest, 'v'), meta.Any); !fault.Has(err, fault.MetaValue) {
		t.Fatalf("a value above the limit: %v, want a fault", err)
	}
}

func metaSequence(t *testing.T, s meta.Store) {
	const workers, each = 4, 700
	var mu sync.Mutex
	seen := map[int64]bool{}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			last := int64(-1)
			for range each {
				n, err := s.Sequence(t.Context(), "/ids")
				if err != nil || n <= last {
					t.Errorf("sequence: %d after %d, %v", n, last, err)
					return
				}
				last = n
				mu.Lock()
				if seen[n] {
					t.Errorf("%d came twice", n)
				}
				seen[n] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if n, err := s.Sequence(t.Context(), "/other"); err != nil || n < 0 {
		t.Fatalf("another counter: %d %v", n, err)
	}
}

func metaEphemeral(t *testing.T, s meta.Store) {
	ctx := t.Context()
	one, two := mustSession(t, s), mustSession(t, s)
	events := newRecorder(t, s, "/e")
	if _, err := one.PutEphemeral(ctx, "/e/lock", []byte("one")); err != nil {
		t.Fatal(err)
	}
	if _, err := two.PutEphemeral(ctx, "/e/lock", []byte("two")); !errors.Is(err, meta.ErrConflict) {
		t.Fatalf("a lock taken twice: %v, want ErrConflict", err)
	}
	if _, err := s.Put(ctx, "/e/lock", nil, meta.Absent); !errors.Is(err, meta.ErrConflict) {
		t.Fatalf("create over a lock: %v, want ErrConflict", err)
	}
	mustPut(t, s, "/e/durable", "", meta.Absent)
	if _, err := one.PutEphemeral(ctx, "/e/durable", nil); !errors.Is(err, meta.ErrConflict) {
		t.Fatalf("a lock over a value: %v, want ErrConflict", err)
	}
	if v, err := s.Get(ctx, "/e/lock"); err != nil || string(v.Data) != "one" || !v.Ephemeral {
		t.Fatalf("the lock: %+v %v", v, err)
	}
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	if err := one.Close(); err != nil {
		t.Fatalf("second close: %v", err)
	}
	if _, err := s.Get(ctx, "/e/lock"); !errors.Is(err, meta.ErrNotFound) {
		t.Fatalf("the lock of a closed session: %v, want ErrNotFound", err)
	}
	events.want(t, meta.Event{Key: "/e/lock"}, meta.Event{Key: "/e/durable"}, meta.Event{Key: "/e/lock", Deleted: true})
	if _, err := one.PutEphemeral(ctx, "/e/late", nil); err == nil {
		t.Fatal("a closed session took a value")
	}
	if _, err := two.PutEphemeral(ctx, "/e/lock", []byte("two")); err != nil {
		t.Fatalf("a lock that was freed: %v", err)
	}
	if err := s.Delete(ctx, "/e/lock", meta.Any); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, "/e/lock", "durable", meta.Absent)
	if err := two.Close(); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Get(ctx, "/e/lock"); err != nil || string(v.Data) != "durable" || v.Ephemeral {
		t.Fatalf("a session took what was no longer its own: %+v %v", v, err)
	}
}

func metaEphemeralUpdate(t *testing.T, s meta.Store) {
	ctx := t.Context()
	session := mustSession(t, s)
	version, err := session.PutEphemeral(ctx, "/e", []byte("1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(ctx, "/e", []byte("x"), version+1000); !errors.Is(err, meta.ErrConflict) {
		t.Fatalf("update of another version: %v, want ErrConflict", err)
	}
	mustPut(t, s, "/e", "2", version)
	if v, err := s.Get(ctx, "/e"); err != nil || string(v.Data) != "2" || !v.Ephemeral {
		t.Fatalf("after an update: %+v %v, want still ephemeral", v, err)
	}
	if err := session.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(ctx, "/e"); !errors.Is(err, meta.ErrNotFound) {
		t.Fatalf("after close: %v, want ErrNotFound", err)
	}
}

func metaCanceled(t *testing.T, s meta.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Put(ctx, "/k", nil, meta.Any); !errors.Is(err, context.Canceled) {
		t.Fatalf("put: %v, want Canceled", err)
	}
	if _, err := s.Get(t.Context(), "/k"); !errors.Is(err, meta.ErrNotFound) {
		t.Fatalf("a canceled put was made: %v", err)
	}
}

func metaClosed(t *testing.T, s meta.Store) {
	ctx := t.Context()
	session := mustSession(t, s)
	if _, err := session.PutEphemeral(ctx, "/e", nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
	select {
	case <-session.Lost():
	case <-time.After(patience):
		t.Fatal("the session of a closed store is not lost")
	}
	if _, err := s.Get(ctx, "/k"); !errors.Is(err, meta.ErrClosed) {
		t.Errorf("get: %v, want ErrClosed", err)
	}
	if _, err := s.Put(ctx, "/k", nil, meta.Any); !errors.Is(err, meta.ErrClosed) {
		t.Errorf("put: %v, want ErrClosed", err)
	}
	if _, err := s.List(ctx, "/"); !errors.Is(err, meta.ErrClosed) {
		t.Errorf("list: %v, want ErrClosed", err)
	}
	if _, err := s.Sequence(ctx, "/s"); !errors.Is(err, meta.ErrClosed) {
		t.Errorf("sequence: %v, want ErrClosed", err)
	}
	if err := s.Watch(ctx, "/", func(meta.Event) {}); !errors.Is(err, meta.ErrClosed) {
		t.Errorf("watch: %v, want ErrClosed", err)
	}
	if _, err := s.Session(ctx); !errors.Is(err, meta.ErrClosed) {
		t.Errorf("session: %v, want ErrClosed", err)
	}
}

// metaRace: of several who change one version, one wins; a counter kept by compare-and-set loses nothing.
func metaRace(t *testing.T, s meta.Store) {
	const workers, each = 4, 25
	ctx := t.Context()
	mustPut(t, s, "/counter", "0", meta.Absent)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for done := 0; done < each; {
				v, err := s.Get(ctx, "/counter")
				if err != nil {
					t.Error(err)
					return
				}
				var n int
				fmt.Sscan(string(v.Data), &n)
				switch _, err := s.Put(ctx, "/counter", fmt.Append(nil, n+1), v.Version); {
				case err == nil:
					done++
				case !errors.Is(err, meta.ErrConflict):
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if v, err := s.Get(ctx, "/counter"); err != nil || string(v.Data) != fmt.Sprint(workers*each) {
		t.Fatalf("counter: %s %v, want %d", v.Data, err, workers*each)
	}
}

func mustPut(t *testing.T, s meta.Store, key, data string, expect meta.Version) meta.Version {
	t.Helper()
	v, err := s.Put(t.Context(), key, []byte(data), expect)
	if err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
	return v
}

func mustSession(t *testing.T, s meta.Store) meta.Session {
	t.Helper()
	session, err := s.Session(t.Context())
	if err != nil {
		t.Fatalf("session: %v", err)
	}
	return session
}

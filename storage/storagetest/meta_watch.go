package storagetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/strobemq/strobe/storage/meta"
)

// recorder collects the events of one watch.
type recorder struct {
	mu     sync.Mutex
	events []meta.Event
	news   chan struct{}
}

func newRecorder(t *testing.T, s meta.Store, prefix string) *recorder {
	t.Helper()
	r := &recorder{news: make(chan struct{}, 1)}
	if err := s.Watch(t.Context(), prefix, r.on); err != nil {
		t.Fatalf("watch %s: %v", prefix, err)
	}
	return r
}

func (r *recorder) on(e meta.Event) {
	r.mu.Lock()
	r.events = append(r.events, e)
	r.mu.Unlock()
	select {
	case r.news <- struct{}{}:
	default:
	}
}

// want waits for exactly these events, in this order per key and, as our suite makes one change after the other, in all.
func (r *recorder) want(t *testing.T, want ...meta.Event) {
	t.Helper()
	deadline := time.After(patience)
	for {
		r.mu.Lock()
		got := slices.Clone(r.events)
		r.mu.Unlock()
		if len(got) >= len(want) {
			if !slices.Equal(got, want) {
				t.Fatalf("events %v, want %v", got, want)
			}
			return
		}
		select {
		case <-r.news:
		case <-deadline:
			t.Fatalf("events %v, want %v", got, want)
		}
	}
}

func metaWatch(t *testing.T, s meta.Store) {
	mustPut(t, s, "/w/before", "", meta.Absent)
	all := newRecorder(t, s, "/w")
	ctx, cancel := context.WithCancel(t.Context())
	ended := &recorder{news: make(chan struct{}, 1)}
	if err := s.Watch(ctx, "/w", ended.on); err != nil {
		t.Fatal(err)
	}
	v := mustPut(t, s, "/w/a", "1", meta.Absent)
	ended.want(t, meta.Event{Key: "/w/a"})
	cancel()
	mustPut(t, s, "/w/a", "2", v)
	if _, err := s.Put(t.Context(), "/w/a", nil, v); !errors.Is(err, meta.ErrConflict) {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), "/w/a", meta.Any); err != nil {
		t.Fatal(err)
	}
	all.want(t, meta.Event{Key: "/w/a"}, meta.Event{Key: "/w/a"}, meta.Event{Key: "/w/a", Deleted: true})
	ended.want(t, meta.Event{Key: "/w/a"})
	if err := s.Watch(ctx, "/w", ended.on); !errors.Is(err, context.Canceled) {
		t.Fatalf("watch with a canceled context: %v", err)
	}
}

func metaWatchPrefix(t *testing.T, s meta.Store) {
	exact, root := newRecorder(t, s, "/w/a"), newRecorder(t, s, "/")
	for _, key := range []string{"/w/ab", "/w/a", "/w/a/x", "/w", "/w/a-"} {
		mustPut(t, s, key, "", meta.Absent)
	}
	exact.want(t, meta.Event{Key: "/w/a"}, meta.Event{Key: "/w/a/x"})
	root.want(t, meta.Event{Key: "/w/ab"}, meta.Event{Key: "/w/a"}, meta.Event{Key: "/w/a/x"}, meta.Event{Key: "/w"}, meta.Event{Key: "/w/a-"})
}

// metaWatchOrder: however many change a key at once, the last event of a watch comes after the last change, and a reader that then
// reads sees it.
func metaWatchOrder(t *testing.T, s meta.Store) {
	const workers, each = 4, 20
	r := newRecorder(t, s, "/w")
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			key := fmt.Sprintf("/w/%d", w%2)
			for i := range each {
				if _, err := s.Put(t.Context(), key, fmt.Append(nil, i), meta.Any); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for w := range 2 {
		if err := s.Delete(t.Context(), fmt.Sprintf("/w/%d", w), meta.Any); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.After(patience)
	for {
		r.mu.Lock()
		events := slices.Clone(r.events)
		r.mu.Unlock()
		deleted := 0
		last := map[string]bool{}
		for _, e := range events {
			if last[e.Key] {
				t.Fatalf("an event of %s after its deletion", e.Key)
			}
			if e.Deleted {
				last[e.Key] = true
				deleted++
			}
		}
		if deleted == 2 {
			if len(events) != workers*each+2 {
				t.Fatalf("%d events, want %d", len(events), workers*each+2)
			}
			return
		}
		select {
		case <-r.news:
		case <-deadline:
			t.Fatalf("%d events, no deletion", len(events))
		}
	}
}

// metaBatch runs on stores that have the ability.
func metaBatch(t *testing.T, s meta.Store) {
	b, ok := s.(meta.Batcher)
	if !ok {
		t.Skip("the store is no Batcher")
	}
	ctx := t.Context()
	old := mustPut(t, s, "/b/old", "1", meta.Absent)
	gone := mustPut(t, s, "/b/gone", "1", meta.Absent)
	r := newRecorder(t, s, "/b")
	for _, refused := range [][]meta.Change{
		{{Key: "/b/new", Expect: meta.Absent}, {Key: "/b/old", Expect: meta.Absent}},
		{{Key: "/b/new", Expect: meta.Absent}, {Key: "/b/gone", Delete: true, Expect: gone + 1000}},
	} {
		if _, err := b.Batch(ctx, refused); !errors.Is(err, meta.ErrConflict) {
			t.Fatalf("batch %v: %v, want ErrConflict", refused, err)
		}
	}
	if _, err := b.Batch(ctx, []meta.Change{{Key: "/b/new", Expect: meta.Absent}, {Key: "/b/not", Delete: true, Expect: meta.Any}}); !errors.Is(err, meta.ErrNotFound) {
		t.Fatalf("delete of nothing in a batch: %v, want ErrNotFound", err)
	}
	if _, err := b.Batch(ctx, []meta.Change{{Key: "/b/new"}, {Key: "/b/new"}}); err == nil {
		t.Fatal("one key twice in a batch")
	}
	if _, err := s.Get(ctx, "/b/new"); !errors.Is(err, meta.ErrNotFound) {
		t.Fatalf("a refused batch made something: %v", err)
	}
	versions, err := b.Batch(ctx, []meta.Change{
		{Key: "/b/new", Data: []byte("new"), Expect: meta.Absent},
		{Key: "/b/old", Data: []byte("2"), Expect: old},
		{Key: "/b/gone", Delete: true, Expect: gone},
	})
	if err != nil || len(versions) != 3 {
		t.Fatalf("batch: %v %v", versions, err)
	}
	for i, want := range []meta.Change{{Key: "/b/new", Data: []byte("new")}, {Key: "/b/old", Data: []byte("2")}} {
		if v, err := s.Get(ctx, want.Key); err != nil || string(v.Data) != string(want.Data) || v.Version != versions[i] {
			t.Fatalf("%s after the batch: %+v %v, want %s at %d", want.Key, v, err, want.Data, versions[i])
		}
	}
	if names, err := s.List(ctx, "/b"); err != nil || !slices.Equal(names, []string{"new", "old"}) {
		t.Fatalf("after the batch: %q %v", names, err)
	}
	r.want(t, meta.Event{Key: "/b/new"}, meta.Event{Key: "/b/old"}, meta.Event{Key: "/b/gone", Deleted: true})
	if _, err := b.Batch(ctx, nil); err != nil {
		t.Fatalf("an empty batch: %v", err)
	}
}

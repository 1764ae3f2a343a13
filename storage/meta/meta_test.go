package meta_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/strobemq/strobe/storage/meta"
)

// A watch that is slow loses events, but is told so.
func TestWatchersOverrun(t *testing.T) {
	var w meta.Watchers
	defer w.Close()
	started, proceed := make(chan struct{}), make(chan struct{})
	resync := make(chan struct{})
	first, seen := true, 0
	err := w.Watch(t.Context(), "/a", func(e meta.Event) {
		if first {
			first = false
			close(started)
			<-proceed
		}
		switch e.Key {
		case "/a":
			close(resync)
		default:
			seen++
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Publish(meta.Event{Key: "/a/first"})
	<-started
	const many = 20000
	for i := range many {
		w.Publish(meta.Event{Key: fmt.Sprintf("/a/%d", i)})
	}
	close(proceed)
	select {
	case <-resync:
	case <-time.After(10 * time.Second):
		t.Fatal("a watch that lost events was not told to read again")
	}
	if seen >= many {
		t.Fatal("all events were queued: there is no bound")
	}
}

func TestWatchersClose(t *testing.T) {
	var w meta.Watchers
	ctx, cancel := context.WithCancel(t.Context())
	if err := w.Watch(ctx, "/", func(meta.Event) {}); err != nil {
		t.Fatal(err)
	}
	w.Publish(meta.Event{Key: "/a"})
	w.Close()
	cancel()
	w.Publish(meta.Event{Key: "/b"})
	w.Close()
	if err := w.Watch(t.Context(), "/", func(meta.Event) {}); !errors.Is(err, meta.ErrClosed) {
		t.Fatalf("watch after close: %v, want ErrClosed", err)
	}
}

func TestBelow(t *testing.T) {
	for _, c := range []struct {
		key, prefix string
		want        bool
	}{
		{"/a", "/", true}, {"/a", "/a", true}, {"/a/b", "/a", true}, {"/ab", "/a", false}, {"/a", "/a/b", false}, {"/a-", "/a", false},
	} {
		if got := meta.Below(c.key, c.prefix); got != c.want {
			t.Errorf("Below(%q, %q) = %t", c.key, c.prefix, got)
		}
	}
}

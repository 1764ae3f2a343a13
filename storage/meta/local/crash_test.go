package local_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/local"
)

// acknowledged is what a store answered so far.
type acknowledged struct {
	mu      sync.Mutex
	news    *sync.Cond     // something was acknowledged, or a worker failed
	pairs   map[string]int // the number last acknowledged under a pair of keys
	began   map[string]int // the number last begun
	highest int64          // of the ids handed out
	version meta.Version
}

// workload changes pairs of keys in batches, creates and deletes large values, and takes ids, until told to stop.
func workload(t *testing.T, s *local.Store, a *acknowledged, worker int, stop <-chan struct{}) {
	pair := fmt.Sprintf("/pair/%d", worker)
	a.mu.Lock()
	n := a.pairs[pair]
	a.mu.Unlock()
	large := strings.Repeat("x", 20<<10)
	for {
		select {
		case <-stop:
			return
		default:
		}
		n++
		a.mu.Lock()
		a.began[pair] = n
		a.mu.Unlock()
		versions, err := s.Batch(t.Context(), []meta.Change{
			{Key: pair + "/a", Data: fmt.Append(nil, n), Expect: meta.Any},
			{Key: pair + "/b", Data: fmt.Append(nil, n), Expect: meta.Any},
			{Key: pair + "/large", Data: []byte(large), Expect: meta.Any},
		})
		if err != nil {
			t.Error(err)
			a.news.Broadcast()
			return
		}
		id, err := s.Sequence(t.Context(), "/ids")
		if err != nil {
			t.Error(err)
			a.news.Broadcast()
			return
		}
		a.mu.Lock()
		a.pairs[pair] = n
		a.highest = max(a.highest, id)
		a.version = max(a.version, versions[0])
		a.mu.Unlock()
		a.news.Broadcast()
	}
}

// check opens the clone and compares it with what was acknowledged before the clone was made and begun before it ended.
func check(t *testing.T, fs vfs.FS, before, after *acknowledged) {
	t.Helper()
	s, err := local.Open(local.Options{Dir: "/meta", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for pair, n := range after.began {
		read := func(key string) int {
			v, err := s.Get(t.Context(), pair+key)
			if errors.Is(err, meta.ErrNotFound) {
				return 0
			}
			var got int
			if _, scan := fmt.Sscan(string(v.Data), &got); err != nil || scan != nil {
				t.Fatalf("%s%s after the crash: %q %v", pair, key, v.Data, err)
			}
			return got
		}
		a, b := read("/a"), read("/b")
		if a != b {
			t.Fatalf("%s is torn: %d and %d", pair, a, b)
		}
		if a < before.pairs[pair] || a > n {
			t.Fatalf("%s is %d; acknowledged %d, begun %d", pair, a, before.pairs[pair], n)
		}
	}
	if id, err := s.Sequence(t.Context(), "/ids"); err != nil || id <= before.highest {
		t.Fatalf("id %d %v after %d was handed out", id, err, before.highest)
	}
	if v, err := s.Put(t.Context(), "/next", nil, meta.Any); err != nil || v <= before.version {
		t.Fatalf("version %d %v after %d was answered", v, err, before.version)
	}
}

func (a *acknowledged) snapshot() *acknowledged {
	a.mu.Lock()
	defer a.mu.Unlock()
	return &acknowledged{pairs: maps.Clone(a.pairs), began: maps.Clone(a.began), highest: a.highest, version: a.version}
}

func newAcknowledged() *acknowledged {
	a := &acknowledged{pairs: map[string]int{}, began: map[string]int{}, highest: -1}
	a.news = sync.NewCond(&a.mu)
	return a
}

// waitFor waits until so many more ids were handed out.
func (a *acknowledged) waitFor(t *testing.T, ids int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for from := a.highest; a.highest < from+ids; a.news.Wait() {
		if t.Failed() {
			t.FailNow()
		}
	}
}

// TestPowerLoss takes the power away again and again, each time with another part of what was not synced lost, and goes on from
// what is left.
func TestPowerLoss(t *testing.T) {
	const rounds, clones, workers = 6, 4, 3
	rng := rand.New(rand.NewPCG(1, 2))
	fs := vfs.NewCrashableMem()
	a := newAcknowledged()
	for range rounds {
		s, err := local.Open(local.Options{Dir: "/meta", FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() { workload(t, s, a, w, stop) })
		}
		var next *vfs.MemFS
		var last *acknowledged
		for i := range clones {
			a.waitFor(t, 40)
			before := a.snapshot()
			clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 50, 100, 20}[i], RNG: rng})
			after := a.snapshot()
			check(t, clone, before, after)
			next, last = clone, after
		}
		close(stop)
		wg.Wait()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		fs = next
		a = newAcknowledged()
		a.highest, a.version = last.highest, last.version
		for pair := range last.began {
			a.pairs[pair], a.began[pair] = last.began[pair], last.began[pair]
		}
		restart(t, fs, a)
	}
}

// restart brings the pairs to what is begun at least, so that the next round starts from what is known.
func restart(t *testing.T, fs vfs.FS, a *acknowledged) {
	t.Helper()
	s, err := local.Open(local.Options{Dir: "/meta", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for pair, n := range a.pairs {
		for _, key := range []string{"/a", "/b"} {
			if _, err := s.Put(t.Context(), pair+key, fmt.Append(nil, n), meta.Any); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A number is reserved durably before anybody sees it, and nothing else needs to happen for that.
func TestSequenceSurvivesPowerLoss(t *testing.T) {
	fs := vfs.NewCrashableMem()
	last := int64(-1)
	for range 3 {
		s, err := local.Open(local.Options{Dir: "/meta", FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		n, err := s.Sequence(t.Context(), "/ids")
		if err != nil || n <= last {
			t.Fatalf("%d %v after %d was handed out", n, err, last)
		}
		last = n
		fs = fs.CrashClone(vfs.CrashCloneCfg{})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

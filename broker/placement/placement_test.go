package placement

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strobemq/strobe/broker/topicname"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/memory"
)

var quarters = []uint32{0, 0x40000000, 0x80000000, 0xc0000000, math.MaxUint32}

func fixed(boundaries []uint32) func(context.Context, string) ([]uint32, error) {
	return func(_ context.Context, namespace string) ([]uint32, error) {
		if namespace == "public/nothing" {
			return nil, fault.NamespaceNotFound.New("%s", namespace)
		}
		return boundaries, nil
	}
}

func newMeta(t *testing.T) *memory.Store {
	m := memory.New()
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// broker opens a broker on a port of its own.
func broker(t *testing.T, m meta.Store, port int, change func(o *Options)) *Placement {
	t.Helper()
	o := Options{
		Meta: m, Boundaries: fixed(quarters), Version: "4.0.8",
		Broker: fmt.Sprintf("pulsar://127.0.0.1:%d", port), HTTP: fmt.Sprintf("http://127.0.0.1:%d", port+1),
	}
	if change != nil {
		change(&o)
	}
	p, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func name(t *testing.T, s string) topicname.Name {
	t.Helper()
	n, err := topicname.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantFault(t *testing.T, err error, f *fault.Fault) {
	t.Helper()
	if !fault.Has(err, f) {
		t.Errorf("%v, want %s %s", err, f.Code, f.Title)
	}
}

func TestHash(t *testing.T) {
	for topic, want := range map[string]uint32{
		"persistent://public/default/test":                 0xaa2e30f5,
		"persistent://public/default/my-topic-partition-0": 0x3d4b4235,
	} {
		if got := Hash(name(t, topic)); got != want {
			t.Errorf("%s: %08x, want %08x", topic, got, want)
		}
	}
}

func TestBundleOf(t *testing.T) {
	for hash, want := range map[uint32]string{
		0: "0x00000000_0x40000000", 0x3fffffff: "0x00000000_0x40000000", 0x40000000: "0x40000000_0x80000000",
		0xbfffffff: "0x80000000_0xc0000000", 0xc0000000: "0xc0000000_0xffffffff", 0xfffffffe: "0xc0000000_0xffffffff",
		0xffffffff: "0xc0000000_0xffffffff",
	} {
		b := bundleOf("a/b", quarters, hash)
		if b.Range() != want {
			t.Errorf("%08x: %s, want %s", hash, b.Range(), want)
		}
		if again, err := parseRange("a/b", b.Range()); err != nil || again != b {
			t.Errorf("%s: %v %v", b, again, err)
		}
	}
	if b := bundleOf("a/b", []uint32{0, math.MaxUint32}, math.MaxUint32); b.Range() != "0x00000000_0xffffffff" {
		t.Error(b)
	}
	n := name(t, "a/b/t")
	if b := bundleOf("a/b", quarters, Hash(n)); !b.Contains(n) || b.Contains(name(t, "a/c/t")) {
		t.Errorf("%s does not contain %s", b, n)
	}
}

// The nodes are Apache's but for what this machine is: load and times.
func TestNodesAreApaches(t *testing.T) {
	m := newMeta(t)
	p := broker(t, m, 14650, func(o *Options) {
		o.HTTP = "http://127.0.0.1:14080"
		o.Now = func() time.Time { return time.UnixMilli(1795304310040) }
	})
	if p.ID() != "127.0.0.1:14080" {
		t.Fatal(p.ID())
	}
	for i := 0; ; i++ {
		n := name(t, fmt.Sprintf("public/golden/t%d", i))
		if _, err := p.Lookup(t.Context(), n, ""); err != nil {
			t.Fatal(err)
		}
		if Hash(n) < 0x40000000 {
			break
		}
	}
	f, err := os.Open("testdata/znodes.jsonl")
	must(t, err)
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var node struct{ Path, Data string }
		must(t, json.Unmarshal(lines.Bytes(), &node))
		v, err := m.Get(t.Context(), node.Path)
		if err != nil || !v.Ephemeral {
			t.Errorf("%s: %+v %v", node.Path, v, err)
			continue
		}
		var want, got map[string]any
		must(t, json.Unmarshal([]byte(node.Data), &want))
		must(t, json.Unmarshal(v.Data, &got))
		for _, load := range []string{"cpu", "memory", "directMemory", "bandwidthIn", "bandwidthOut", "maxResourceUsage"} {
			if want[load] != nil {
				want[load] = got[load]
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", node.Path, d)
		}
	}
	if id, http, err := p.Leader(t.Context()); err != nil || id != "127.0.0.1:14080" || http != "http://127.0.0.1:14080" {
		t.Error(id, http, err)
	}
}

func TestLookup(t *testing.T) {
	m := newMeta(t)
	p := broker(t, m, 6650, func(o *Options) {
		o.Listeners = map[string]Listener{"outside": {Broker: "pulsar://outside:1", HTTP: "http://outside:2"}}
	})
	n := name(t, "t")
	want := Owner{BrokerURL: "pulsar://127.0.0.1:6650", HTTPURL: "http://127.0.0.1:6651", Local: true}
	for range 2 {
		if o, err := p.Lookup(t.Context(), n, ""); err != nil || o != want {
			t.Fatalf("%+v %v", o, err)
		}
	}
	if o, err := p.Lookup(t.Context(), n, "outside"); err != nil || o.BrokerURL != "pulsar://outside:1" || !o.Local {
		t.Fatalf("%+v %v", o, err)
	}
	_, err := p.Lookup(t.Context(), n, "nowhere")
	wantFault(t, err, fault.ListenerUnknown)
	_, err = p.Lookup(t.Context(), name(t, "public/nothing/t"), "")
	wantFault(t, err, fault.NamespaceNotFound)
	must(t, p.Own(t.Context(), n))

	b, err := p.Bundle(t.Context(), n)
	if err != nil || !slices.Equal(p.Owned(), []Bundle{b}) {
		t.Fatal(p.Owned(), b, err)
	}
	if again, err := p.ParseBundle(t.Context(), b.Namespace, b.Range()); err != nil || again != b {
		t.Fatal(again, err)
	}
	for _, text := range []string{"", "0x00000000_0x50000000", "x_y", "0x00000000", "0x00000000_0x40000000_1"} {
		_, err := p.ParseBundle(t.Context(), b.Namespace, text)
		wantFault(t, err, fault.BundleUnknown)
	}
	if all, err := p.NamespaceBundles(t.Context(), b.Namespace); err != nil || len(all) != 4 || !slices.Contains(all, b) {
		t.Fatal(all, err)
	}
}

// Whoever comes first owns; the other answers with the owner's addresses, and takes over when the owner has gone.
func TestTwoBrokers(t *testing.T) {
	m := newMeta(t)
	ctx := t.Context()
	listeners := map[string]Listener{"outside": {Broker: "pulsar://outside:1"}}
	one := broker(t, m, 6650, func(o *Options) { o.Listeners = listeners })
	two := broker(t, m, 7650, func(o *Options) { o.Listeners = listeners })
	if ids, err := two.Brokers(ctx); err != nil || !slices.Equal(ids, []string{"127.0.0.1:6651", "127.0.0.1:7651"}) {
		t.Fatal(ids, err)
	}
	if id, _, err := two.Leader(ctx); err != nil || id != one.ID() {
		t.Fatal(id, err)
	}
	n := name(t, "t")
	must(t, one.Own(ctx, n))
	o, err := two.Lookup(ctx, n, "")
	if err != nil || o.Local || o.BrokerURL != "pulsar://127.0.0.1:6650" {
		t.Fatalf("%+v %v", o, err)
	}
	if o, err := two.Lookup(ctx, n, "outside"); err != nil || o.BrokerURL != "pulsar://outside:1" {
		t.Fatalf("%+v %v", o, err)
	}
	_, err = two.Lookup(ctx, n, "nowhere")
	wantFault(t, err, fault.ListenerUnknown)
	wantFault(t, two.Own(ctx, n), fault.BundleElsewhere)

	b, err := one.Bundle(ctx, n)
	must(t, err)
	must(t, one.Unload(ctx, b, func(ctx context.Context) error {
		_, err := two.Lookup(ctx, n, "")
		wantFault(t, err, fault.BundleUnloading)
		return nil
	}))
	must(t, two.Own(ctx, n))
	wantFault(t, one.Own(ctx, n), fault.BundleElsewhere)
	must(t, two.Close())
	must(t, one.Own(ctx, n))
	if ids, err := one.Brokers(ctx); err != nil || !slices.Equal(ids, []string{one.ID()}) {
		t.Fatal(ids, err)
	}
}

func TestUnloadHoldsLookups(t *testing.T) {
	m := newMeta(t)
	p := broker(t, m, 6650, nil)
	ctx := t.Context()
	n := name(t, "t")
	b, err := p.Bundle(ctx, n)
	must(t, err)
	must(t, p.Unload(ctx, b, func(context.Context) error { t.Error("a bundle that is not ours was drained"); return nil }))
	must(t, p.Own(ctx, n))

	var drained atomic.Bool
	var wg sync.WaitGroup
	failed := errors.New("a topic did not close")
	err = p.Unload(ctx, b, func(ctx context.Context) error {
		canceled, cancel := context.WithCancel(ctx)
		cancel()
		if err := p.Own(canceled, n); !errors.Is(err, context.Canceled) {
			t.Errorf("a lookup during an unload: %v", err)
		}
		wg.Go(func() {
			if err := p.Own(t.Context(), n); err != nil || !drained.Load() {
				t.Errorf("a lookup came through before the end of the unload: %v", err)
			}
		})
		if len(p.Owned()) != 0 {
			t.Error("a bundle being unloaded counts as owned")
		}
		drained.Store(true)
		return failed
	})
	if !errors.Is(err, failed) {
		t.Fatal(err)
	}
	wg.Wait()
	if !slices.Equal(p.Owned(), []Bundle{b}) {
		t.Fatal(p.Owned())
	}
}

// counting counts ephemeral puts.
type counting struct {
	meta.Store
	puts atomic.Int64
}

type countingSession struct {
	meta.Session
	c *counting
}

func (c *counting) Session(ctx context.Context) (meta.Session, error) {
	s, err := c.Store.Session(ctx)
	return countingSession{s, c}, err
}

func (s countingSession) PutEphemeral(ctx context.Context, key string, data []byte) (meta.Version, error) {
	s.c.puts.Add(1)
	return s.Session.PutEphemeral(ctx, key, data)
}

// A storm of lookups costs one change of the metadata for each bundle.
func TestStorm(t *testing.T) {
	m := &counting{Store: newMeta(t)}
	p := broker(t, m, 6650, nil)
	before := m.puts.Load()
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 500 {
				if err := p.Own(t.Context(), name(t, fmt.Sprintf("t%d", (w*31+i)%97))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := m.puts.Load() - before; got != 4 || len(p.Owned()) != 4 {
		t.Fatalf("%d changes, %d bundles, want 4", got, len(p.Owned()))
	}
}

// After a lost session nothing is owned, the topics' keeper is told before anything is taken again, and then it goes on.
func TestLostSession(t *testing.T) {
	m := newMeta(t)
	told, proceed := make(chan struct{}), make(chan struct{})
	p := broker(t, m, 6650, func(o *Options) {
		o.Lost = func() { close(told); <-proceed }
	})
	n := name(t, "t")
	must(t, p.Own(t.Context(), n))
	m.Lose()
	select {
	case <-told:
	case <-time.After(10 * time.Second):
		t.Fatal("nobody was told")
	}
	if len(p.Owned()) != 0 {
		t.Fatal("bundles of a lost session")
	}
	wantFault(t, p.Own(t.Context(), n), fault.PlacementLost)
	close(proceed)
	for deadline := time.Now().Add(10 * time.Second); p.Own(t.Context(), n) != nil; {
		if time.Now().After(deadline) {
			t.Fatal("it did not register again")
		}
	}
	if ids, err := p.Brokers(t.Context()); err != nil || len(ids) != 1 {
		t.Fatal(ids, err)
	}
}

// Nodes of a former life of the same broker, whose session has not ended yet, are taken over; those of a stranger are not.
func TestFormerLife(t *testing.T) {
	m := newMeta(t)
	ctx := t.Context()
	former := broker(t, m, 6650, nil)
	n := name(t, "t")
	must(t, former.Own(ctx, n))
	now := broker(t, m, 6650, nil)
	must(t, now.Own(ctx, n))
	if ids, err := now.Brokers(ctx); err != nil || len(ids) != 1 {
		t.Fatal(ids, err)
	}
	_, err := Open(ctx, Options{Meta: m, Boundaries: fixed(quarters), Broker: "pulsar://other:6650", HTTP: "http://127.0.0.1:6651"})
	wantFault(t, err, fault.BrokerRegistered)
}

func TestClose(t *testing.T) {
	m := newMeta(t)
	p := broker(t, m, 6650, nil)
	n := name(t, "t")
	must(t, p.Own(t.Context(), n))
	for range 2 {
		must(t, p.Close())
	}
	wantFault(t, p.Own(t.Context(), n), fault.PlacementLost)
	for _, key := range []string{"/namespace", "/loadbalance"} {
		if left, err := m.List(t.Context(), key); err != nil || len(left) != 0 {
			t.Errorf("left below %s: %q %v", key, left, err)
		}
	}
}

func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"0x00000000_0x40000000", "_", "0x0_0xffffffff", "1_2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := parseRange("a/b", s)
		if err != nil {
			return
		}
		if again, err := parseRange("a/b", b.Range()); err != nil || again != b {
			t.Fatalf("%q: %v %v", s, again, err)
		}
	})
}

func FuzzOwnership(f *testing.F) {
	f.Add([]byte(`{"nativeUrl":"pulsar://a:1","disabled":true,"advertisedListeners":{"x":{"brokerServiceUrl":"pulsar://b:2"}}}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := decodeOwnership("/k", data)
		if err != nil {
			return
		}
		if again, err := decodeOwnership("/k", mustJSON(o)); err != nil || !cmp.Equal(again, o) {
			t.Fatalf("%+v became %+v, %v", o, again, err)
		}
	})
}

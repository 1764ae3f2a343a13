package policy

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/memory"
)

func TestSettings(t *testing.T) {
	base := Settings{Retention: Retention{10, 20}, MaxProducers: 9, AutoTopic: AutoTopic{Allow: true, Type: "non-partitioned"}, AutoSubscription: true}
	s, _ := initialized(t, Options{Defaults: base})
	ctx := t.Context()
	n := topic(t, "orders")
	want := base
	want.ReplicationClusters, want.SubscriptionTypes, want.SchemaCompatibility = []string{"standalone"}, []string{}, "UNDEFINED"
	check := func(what string) {
		t.Helper()
		for _, n := range []string{n.String(), n.Of(2).String()} {
			got, err := s.Settings(ctx, topic(t, n))
			if d := cmp.Diff(want, got); err != nil || d != "" {
				t.Fatalf("%s, %s: %v (-want +got):\n%s", what, n, err, d)
			}
		}
	}
	check("broker defaults")
	must(t, s.Update(ctx, "public/default", func(f map[string]any) error {
		for k, v := range map[string]any{
			"retention_policies": Retention{0, 0}, "deduplicationEnabled": true, "message_ttl_in_seconds": 60, "max_producers_per_topic": 0,
			"persistence":               Persistence{3, 3, 2, 0.5},
			"autoTopicCreationOverride": AutoTopic{Allow: true, Type: "partitioned", Partitions: 4},
			"delayed_delivery_policies": map[string]any{"active": true, "tickTime": 1500.0},
		} {
			f[k] = v
		}
		return nil
	}))
	want.Retention, want.Deduplication, want.MessageTTL, want.MaxProducers = Retention{0, 0}, true, time.Minute, 0
	want.Persistence, want.AutoTopic = Persistence{3, 3, 2, 0.5}, AutoTopic{true, "partitioned", 4}
	want.DelayedDelivery, want.DelayedDeliveryTick = true, 1500*time.Millisecond
	check("namespace over broker")
	must(t, s.UpdateTopic(ctx, n.Of(7), func(f map[string]any) error {
		f["deduplicationEnabled"], f["retentionPolicies"], f["messageTTLInSeconds"] = false, Retention{-1, 100}, nil
		return nil
	}))
	want.Deduplication, want.Retention = false, Retention{-1, 100}
	check("topic over namespace")
	if f, err := s.TopicPolicies(ctx, n); err != nil || len(f) != 2 {
		t.Fatalf("%v %v", f, err)
	}
	other, err := s.Settings(ctx, topic(t, "other"))
	if err != nil || !other.Deduplication || other.Retention != (Retention{0, 0}) {
		t.Fatalf("another topic: %+v %v", other, err)
	}
	must(t, s.DeleteTopicPolicies(ctx, n))
	want.Deduplication, want.Retention = true, Retention{0, 0}
	check("without the topic's policies")
	if f, err := s.TopicPolicies(ctx, n); err != nil || len(f) != 0 {
		t.Fatalf("%v %v", f, err)
	}

	_, err = s.Settings(ctx, topic(t, "public/nothing/t"))
	wantFault(t, err, fault.NamespaceNotFound)
	set := func(name string, v any) error {
		return s.UpdateTopic(ctx, n, func(f map[string]any) error { f[name] = v; return nil })
	}
	wantFault(t, set("deduplicationEnabled", 3), fault.PolicyValue)
	wantFault(t, set("retentionPolicies", Retention{0, 5}), fault.PolicyValue)
	wantFault(t, set("retentionPolicies", Retention{-2, 5}), fault.PolicyValue)
	wantFault(t, set("persistence", Persistence{1, 2, 1, 0}), fault.PolicyValue)
	wantFault(t, set("messageTTLInSeconds", -1), fault.PolicyValue)
	wantFault(t, s.UpdateTopic(ctx, topic(t, "public/nothing/t"), func(map[string]any) error { return nil }), fault.NamespaceNotFound)
	check("after refused changes")
}

func TestBoundaries(t *testing.T) {
	for n, want := range map[int][]uint32{
		1: {0, 0xffffffff}, 4: {0, 0x40000000, 0x80000000, 0xc0000000, 0xffffffff}, 3: {0, 0x55555555, 0xaaaaaaaa, 0xffffffff},
	} {
		if got := EvenBoundaries(n); !slices.Equal(got, want) {
			t.Errorf("%d bundles: %x, want %x", n, got, want)
		}
	}
	s, m := initialized(t, Options{})
	ctx := t.Context()
	must(t, s.CreateNamespace(ctx, "public/golden", nil))
	if b, err := s.Boundaries(ctx, "public/golden"); err != nil || !slices.Equal(b, EvenBoundaries(4)) {
		t.Fatalf("%x %v", b, err)
	}
	v, err := m.Get(ctx, "/admin/local-policies/public/golden")
	must(t, err)
	sameJSON(t, "local policies", string(v.Data), golden(t)["/admin/local-policies/public/golden"])

	// The local policies count, not the policies.
	_, err = m.Put(ctx, "/admin/local-policies/public/golden", []byte(`{"bundles":{"boundaries":["0x00000000","0x10","0xffffffff"],"numBundles":2},"more":1}`), meta.Any)
	must(t, err)
	eventually(t, func() bool {
		b, err := s.Boundaries(ctx, "public/golden")
		return err == nil && slices.Equal(b, []uint32{0, 16, 0xffffffff})
	})
	// Local policies without bundles (Apache's affinity groups) get them and keep the rest.
	must(t, s.CreateNamespace(ctx, "public/affine", nil))
	_, err = m.Put(ctx, "/admin/local-policies/public/affine", []byte(`{"bookieAffinityGroup":{"a":"b"}}`), meta.Absent)
	must(t, err)
	if b, err := s.Boundaries(ctx, "public/affine"); err != nil || len(b) != 5 {
		t.Fatalf("%x %v", b, err)
	}
	v, err = m.Get(ctx, "/admin/local-policies/public/affine")
	must(t, err)
	var local map[string]any
	must(t, json.Unmarshal(v.Data, &local))
	if local["bookieAffinityGroup"] == nil || local["bundles"] == nil {
		t.Fatalf("%v", local)
	}
	_, err = s.Boundaries(ctx, "public/nothing")
	wantFault(t, err, fault.NamespaceNotFound)
	for _, bad := range []string{
		`{"bundles":{"boundaries":["0x00000000"]}}`, `{"bundles":{"boundaries":["0x00000000","0xfffffffe"]}}`,
		`{"bundles":{"boundaries":["0x00000001","0xffffffff"]}}`, `{"bundles":{"boundaries":["0x0","0x5","0x5","0xffffffff"]}}`,
		`{"bundles":{"boundaries":["0x0","x","0xffffffff"]}}`, `{"bundles":{"boundaries":["0x0","0x1ffffffff"]}}`, `{"bundles":{"numBundles":100000}}`,
	} {
		fields, err := decodeFields([]byte(bad))
		must(t, err)
		_, err = parseBundles(fields)
		wantFault(t, err, fault.BundlesValue)
	}
}

// counting counts reads of the metadata.
type counting struct {
	meta.Store
	gets atomic.Int64
}

func (c *counting) Get(ctx context.Context, key string) (meta.Value, error) {
	c.gets.Add(1)
	return c.Store.Get(ctx, key)
}

func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); {
		if time.Now().After(deadline) {
			t.Fatal("it did not come")
		}
	}
}

func TestCache(t *testing.T) {
	m := &counting{Store: memory.New()}
	t.Cleanup(func() { _ = m.Close() })
	s := newStore(t, m, Options{})
	ctx := t.Context()
	must(t, s.Init(ctx, Addresses{}))
	load := func(name string) {
		t.Helper()
		n := topic(t, name)
		if _, err := s.Settings(ctx, n); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Partitions(ctx, n); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Boundaries(ctx, n.FullNamespace()); err != nil {
			t.Fatal(err)
		}
	}
	// Let the events of Init pass: what is read while something changes is not remembered.
	eventually(t, func() bool {
		load("t")
		before := m.gets.Load()
		load("t")
		return m.gets.Load() == before
	})

	// Changes by this store hold at once, those of others when the watch tells.
	must(t, s.UpdateTopic(ctx, topic(t, "t"), func(f map[string]any) error { f["deduplicationEnabled"] = true; return nil }))
	if st, err := s.Settings(ctx, topic(t, "t")); err != nil || !st.Deduplication {
		t.Fatalf("%+v %v", st, err)
	}
	if _, err := m.Put(ctx, "/admin/partitioned-topics/public/default/persistent/t", []byte(`{"partitions":7}`), meta.Absent); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		c, err := s.Partitions(ctx, topic(t, "t"))
		return err == nil && c == 7
	})
}

func TestCacheIsBounded(t *testing.T) {
	var c cache
	for i := range cacheSize + 100 {
		_, _, ticket := c.get("")
		c.put(fmt.Sprint("/admin/", i), nil, ticket)
	}
	if len(c.documents) > cacheSize {
		t.Fatalf("%d documents", len(c.documents))
	}
	_, _, stale := c.get("/admin/x")
	c.drop("/admin/y")
	c.put("/admin/x", nil, stale)
	if _, ok, _ := c.get("/admin/x"); ok {
		t.Fatal("what was read before a change was remembered after it")
	}
	c.drop("/admin")
	if len(c.documents) != 0 {
		t.Fatalf("%d documents after a watch that lost events", len(c.documents))
	}
}

func TestChanged(t *testing.T) {
	changes := make(chan Change, 100)
	s, m := initialized(t, Options{Changed: func(c Change) { changes <- c }})
	ctx := t.Context()
	next := func(want Change) {
		t.Helper()
		for {
			select {
			case c := <-changes:
				if c == want {
					return
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("no %+v", want)
			}
		}
	}
	next(Change{Namespace: "public/default"})
	next(Change{Namespace: "pulsar/system"})
	must(t, s.UpdateTopic(ctx, topic(t, "a b").Of(1), func(f map[string]any) error { f["maxMessageSize"] = 5; return nil }))
	next(Change{Namespace: "public/default", Topic: "persistent://public/default/a b"})
	_, err := m.Put(ctx, "/admin/policies/public/default", []byte(`{"x":1}`), meta.Any)
	must(t, err)
	next(Change{Namespace: "public/default"})
	s.on(meta.Event{Key: "/admin"})
	next(Change{})
}

// Documents that are none are refused with the key, and do not stop others.
func TestDamagedDocument(t *testing.T) {
	s, m := initialized(t, Options{})
	_, err := m.Put(t.Context(), "/admin/policies/public/default", []byte(`{"a":`), meta.Any)
	must(t, err)
	eventually(t, func() bool {
		_, err := s.Namespace(t.Context(), "public/default")
		return fault.Has(err, fault.PolicyValue)
	})
}

func FuzzDocument(f *testing.F) {
	for _, seed := range []string{
		"", "null", "{}", `{"bundles":{"boundaries":["0x00000000","0xffffffff"],"numBundles":1}}`, `{"retention_policies":{"retentionTimeInMinutes":1e99}}`,
		`{"a":[{"b":1.50}],"deduplicationEnabled":null}`, `{"persistence":{"bookkeeperEnsemble":3}} x`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fields, err := decodeFields(data)
		if err != nil {
			return
		}
		_ = checkPolicies(fields)
		var st Settings
		_ = topicTable.apply(fields, &st)
		_, _ = parseBundles(fields)
		once, err := json.Marshal(deepCopy(fields))
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeFields(once)
		if err != nil {
			t.Fatalf("%s: %v", once, err)
		}
		if twice, err := json.Marshal(again); err != nil || string(twice) != string(once) {
			t.Fatalf("%s became %s, %v", once, twice, err)
		}
	})
}

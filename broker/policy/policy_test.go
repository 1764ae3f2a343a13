package policy

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strobemq/strobe/broker/topicname"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/memory"
)

func newStore(t *testing.T, m meta.Store, o Options) *Store {
	t.Helper()
	o.Meta = m
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func initialized(t *testing.T, o Options) (*Store, meta.Store) {
	t.Helper()
	m := memory.New()
	t.Cleanup(func() { _ = m.Close() })
	s := newStore(t, m, o)
	if err := s.Init(t.Context(), Addresses{HTTP: "http://h:8080", Broker: "pulsar://h:6650"}); err != nil {
		t.Fatal(err)
	}
	return s, m
}

func topic(t *testing.T, name string) topicname.Name {
	t.Helper()
	n, err := topicname.Parse(name)
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

// golden are documents that Apache Pulsar 4.0.8 wrote, by key; its cluster is called golden.
func golden(t *testing.T) map[string]string {
	t.Helper()
	f, err := os.Open("testdata/znodes.jsonl")
	must(t, err)
	defer f.Close()
	nodes := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var n struct{ Path, Data string }
		must(t, json.Unmarshal(lines.Bytes(), &n))
		nodes[n.Path] = n.Data
	}
	return nodes
}

func sameJSON(t *testing.T, key, got, want string) {
	t.Helper()
	var g, w any
	must(t, json.Unmarshal([]byte(got), &g))
	must(t, json.Unmarshal([]byte(want), &w))
	if d := cmp.Diff(w, g); d != "" {
		t.Errorf("%s (-want +got):\n%s", key, d)
	}
}

// What Init writes is what Apache's initialize-cluster-metadata writes.
func TestInitWritesApachesDocuments(t *testing.T) {
	m := memory.New()
	defer m.Close()
	s := newStore(t, m, Options{Cluster: "golden"})
	must(t, s.Init(t.Context(), Addresses{HTTP: "http://127.0.0.1:14080", Broker: "pulsar://127.0.0.1:14650"}))
	nodes := golden(t)
	for _, key := range []string{
		"/admin/clusters/global", "/admin/clusters/golden", "/admin/policies/public", "/admin/policies/pulsar",
		"/admin/policies/public/default", "/admin/policies/pulsar/system", "/admin/local-policies/pulsar/system",
	} {
		v, err := m.Get(t.Context(), key)
		if err != nil || nodes[key] == "" {
			t.Errorf("%s: %v", key, err)
			continue
		}
		sameJSON(t, key, string(v.Data), nodes[key])
	}
}

func TestInitTwice(t *testing.T) {
	s, m := initialized(t, Options{})
	must(t, s.Update(t.Context(), "public/default", func(f map[string]any) error {
		f["message_ttl_in_seconds"] = 5
		return nil
	}))
	v, err := m.Get(t.Context(), "/admin/policies/public/default")
	must(t, err)
	must(t, s.Init(t.Context(), Addresses{HTTP: "http://h:8080", Broker: "pulsar://h:6650"}))
	if w, err := m.Get(t.Context(), "/admin/policies/public/default"); err != nil || w.Version != v.Version {
		t.Fatalf("a second start changed the namespace: %v", err)
	}
	must(t, s.Init(t.Context(), Addresses{HTTP: "http://other:1", Broker: "pulsar://other:2"}))
	c, err := s.ClusterData(t.Context(), "standalone")
	if err != nil || c["serviceUrl"] != "http://other:1" || c["brokerServiceUrl"] != "pulsar://other:2" {
		t.Fatalf("the new addresses: %v %v", c, err)
	}
}

func TestClusters(t *testing.T) {
	s, _ := initialized(t, Options{})
	ctx := t.Context()
	must(t, s.CreateCluster(ctx, "other", map[string]any{"serviceUrl": "http://o"}))
	wantFault(t, s.CreateCluster(ctx, "other", nil), fault.ClusterExists)
	wantFault(t, s.CreateCluster(ctx, "no/name", nil), fault.NamespaceName)
	if names, err := s.Clusters(ctx); err != nil || !slices.Equal(names, []string{"other", "standalone"}) {
		t.Fatalf("%q %v", names, err)
	}
	must(t, s.UpdateCluster(ctx, "other", func(f map[string]any) error { f["serviceUrl"] = "http://p"; return nil }))
	if c, err := s.ClusterData(ctx, "other"); err != nil || c["serviceUrl"] != "http://p" || c["brokerClientTlsTrustStoreType"] != "JKS" {
		t.Fatalf("%v %v", c, err)
	}
	must(t, s.DeleteCluster(ctx, "other"))
	wantFault(t, s.DeleteCluster(ctx, "other"), fault.ClusterNotFound)
	_, err := s.ClusterData(ctx, "other")
	wantFault(t, err, fault.ClusterNotFound)
}

func TestTenants(t *testing.T) {
	s, m := initialized(t, Options{})
	ctx := t.Context()
	must(t, s.CreateTenant(ctx, "acme", Tenant{AdminRoles: []string{"root"}, AllowedClusters: []string{"standalone"}}))
	wantFault(t, s.CreateTenant(ctx, "acme", Tenant{}), fault.TenantExists)
	wantFault(t, s.CreateTenant(ctx, "b", Tenant{AllowedClusters: []string{"nowhere"}}), fault.ClusterNotFound)
	wantFault(t, s.CreateTenant(ctx, "a b", Tenant{}), fault.NamespaceName)
	if names, err := s.Tenants(ctx); err != nil || !slices.Equal(names, []string{"acme", "public", "pulsar"}) {
		t.Fatalf("%q %v", names, err)
	}
	if got, err := s.Tenant(ctx, "acme"); err != nil || !slices.Equal(got.AdminRoles, []string{"root"}) {
		t.Fatalf("%+v %v", got, err)
	}
	_, err := s.Tenant(ctx, "nobody")
	wantFault(t, err, fault.TenantNotFound)

	if _, err := m.Put(ctx, "/admin/policies/acme", []byte(`{"adminRoles":[],"allowedClusters":[],"later":{"x":9007199254740993}}`), meta.Any); err != nil {
		t.Fatal(err)
	}
	must(t, s.UpdateTenant(ctx, "acme", Tenant{AdminRoles: []string{"a"}}))
	v, err := m.Get(ctx, "/admin/policies/acme")
	must(t, err)
	sameJSON(t, "tenant", string(v.Data), `{"adminRoles":["a"],"allowedClusters":[],"later":{"x":9007199254740993}}`)
	wantFault(t, s.UpdateTenant(ctx, "nobody", Tenant{}), fault.TenantNotFound)

	must(t, s.CreateNamespace(ctx, "acme/ns", nil))
	wantFault(t, s.DeleteTenant(ctx, "acme"), fault.TenantNotEmpty)
	must(t, s.DeleteNamespace(ctx, "acme/ns", nothing))
	must(t, s.DeleteTenant(ctx, "acme"))
	wantFault(t, s.DeleteTenant(ctx, "acme"), fault.TenantNotFound)
}

func TestUpdateKeepsWhatItDoesNotKnow(t *testing.T) {
	s, m := initialized(t, Options{})
	ctx := t.Context()
	nodes := golden(t)
	key := "/admin/policies/public/triple"
	if _, err := m.Put(ctx, key, []byte(`{"from_the_future":{"n":12345678901234567890.5,"l":[1,null,"x"]},`+nodes[key][1:]), meta.Absent); err != nil {
		t.Fatal(err)
	}
	must(t, s.Update(ctx, "public/triple", func(f map[string]any) error {
		f["deduplicationEnabled"] = true
		return nil
	}))
	v, err := m.Get(ctx, key)
	must(t, err)
	sameJSON(t, key, string(v.Data), `{"deduplicationEnabled":true,"from_the_future":{"n":12345678901234567890.5,"l":[1,null,"x"]},`+nodes[key][1:])
	var exact map[string]map[string]json.RawMessage
	_ = json.Unmarshal(v.Data, &exact)
	if n := string(exact["from_the_future"]["n"]); n != "12345678901234567890.5" {
		t.Errorf("a number was rounded: %s", n)
	}
	st, err := s.Settings(ctx, topic(t, "public/triple/t"))
	if err != nil || st.Persistence != (Persistence{3, 3, 2, 1}) || st.Retention != (Retention{-1, -1}) || !st.Deduplication {
		t.Fatalf("%+v %v", st, err)
	}
}

func TestNamespaces(t *testing.T) {
	s, m := initialized(t, Options{})
	ctx := t.Context()
	must(t, s.CreateNamespace(ctx, "public/b", map[string]any{"bundles": map[string]any{"numBundles": 2}, "message_ttl_in_seconds": 7}))
	wantFault(t, s.CreateNamespace(ctx, "public/b", nil), fault.NamespaceExists)
	wantFault(t, s.CreateNamespace(ctx, "nobody/b", nil), fault.TenantNotFound)
	wantFault(t, s.CreateNamespace(ctx, "public", nil), fault.NamespaceName)
	wantFault(t, s.CreateNamespace(ctx, "public/c", map[string]any{"retention_policies": "much"}), fault.PolicyValue)
	wantFault(t, s.CreateNamespace(ctx, "public/c", map[string]any{"bundles": map[string]any{"numBundles": -1}}), fault.BundlesValue)
	// A node of Pulsar 1: a cluster below the tenant.
	if _, err := m.Put(ctx, "/admin/policies/public/cluster/ns", []byte(`{"a":1}`), meta.Absent); err != nil {
		t.Fatal(err)
	}
	if names, err := s.Namespaces(ctx, "public"); err != nil || !slices.Equal(names, []string{"public/b", "public/default"}) {
		t.Fatalf("%q %v", names, err)
	}
	_, err := s.Namespaces(ctx, "nobody")
	wantFault(t, err, fault.TenantNotFound)
	p, err := s.Namespace(ctx, "public/b")
	must(t, err)
	if f := p.Fields(); f["message_ttl_in_seconds"] != json.Number("7") {
		t.Fatalf("%v", f)
	}
	p.Fields()["message_ttl_in_seconds"] = 0 // a copy
	if data, err := json.Marshal(p); err != nil || !json.Valid(data) {
		t.Fatal(err)
	}
	if st, err := s.NamespaceSettings(ctx, "public/b"); err != nil || st.MessageTTL != 7*time.Second {
		t.Fatalf("%+v %v", st, err)
	}
	wantFault(t, s.Update(ctx, "public/nothing", func(map[string]any) error { return nil }), fault.NamespaceNotFound)
	wantFault(t, s.Update(ctx, "public/b", func(f map[string]any) error { f["deduplicationEnabled"] = "yes"; return nil }), fault.PolicyValue)
	refuse := errors.New("no")
	if err := s.Update(ctx, "public/b", func(f map[string]any) error { f["x"] = 1; return refuse }); !errors.Is(err, refuse) {
		t.Fatal(err)
	}
	if p, err := s.Namespace(ctx, "public/b"); err != nil || p.Fields()["x"] != nil {
		t.Fatalf("a refused change was made: %v", err)
	}
}

func nothing(ctx context.Context) error { return nil }

func TestDeleteNamespace(t *testing.T) {
	s, m := initialized(t, Options{})
	ctx := t.Context()
	must(t, s.CreateNamespace(ctx, "public/b", nil))
	_, err := s.Boundaries(ctx, "public/b")
	must(t, err)
	n := topic(t, "public/b/t")
	must(t, s.CreatePartitioned(ctx, n, 3, nil))

	refuse := errors.New("has topics")
	err = s.DeleteNamespace(ctx, "public/b", func(ctx context.Context) error {
		_, err := s.Namespace(ctx, "public/b")
		wantFault(t, err, fault.NamespaceNotFound) // nobody creates topics in it now
		wantFault(t, s.CreatePartitioned(ctx, topic(t, "public/b/u"), 1, nil), fault.NamespaceNotFound)
		return refuse
	})
	if !errors.Is(err, refuse) {
		t.Fatal(err)
	}
	if _, err := s.Namespace(ctx, "public/b"); err != nil {
		t.Fatalf("after a refused deletion: %v", err)
	}
	wantFault(t, s.DeleteNamespace(ctx, "public/b", nothing), fault.NamespaceNotEmpty)
	must(t, s.DeletePartitioned(ctx, n))
	// A deletion that a crash interrupted goes on.
	_, err = m.Put(ctx, "/admin/policies/public/b", []byte(`{"deleted":true}`), meta.Any)
	must(t, err)
	must(t, s.DeleteNamespace(ctx, "public/b", nothing))
	wantFault(t, s.DeleteNamespace(ctx, "public/b", nothing), fault.NamespaceNotFound)
	if left, err := m.List(ctx, "/admin/local-policies/public"); err != nil || slices.Contains(left, "b") {
		t.Fatalf("%q %v", left, err)
	}
}

func TestPartitions(t *testing.T) {
	s, m := initialized(t, Options{})
	ctx := t.Context()
	n := topic(t, "public/default/a b*")
	if c, err := s.Partitions(ctx, n); err != nil || c != 0 {
		t.Fatal(c, err)
	}
	wantFault(t, s.SetPartitions(ctx, n, 2), fault.PartitionedNotFound)
	wantFault(t, s.DeletePartitioned(ctx, n), fault.PartitionedNotFound)
	for _, c := range []int{0, -1, maxPartitions + 1} {
		wantFault(t, s.CreatePartitioned(ctx, n, c, nil), fault.PartitionsNumber)
	}
	wantFault(t, s.CreatePartitioned(ctx, n.Of(0), 1, nil), fault.PartitionsNumber)
	wantFault(t, s.CreatePartitioned(ctx, topic(t, "public/no/t"), 1, nil), fault.NamespaceNotFound)
	must(t, s.CreatePartitioned(ctx, n, 3, nil))
	wantFault(t, s.CreatePartitioned(ctx, n, 3, nil), fault.PartitionedExists)
	v, err := m.Get(ctx, "/admin/partitioned-topics/public/default/persistent/a+b*")
	must(t, err)
	sameJSON(t, "partitions", string(v.Data), golden(t)["/admin/partitioned-topics/public/golden/persistent/parts"])
	if c, err := s.Partitions(ctx, n); err != nil || c != 3 {
		t.Fatal(c, err)
	}
	if c, err := s.Partitions(ctx, n.Of(1)); err != nil || c != 0 {
		t.Fatal(c, err)
	}
	wantFault(t, s.SetPartitions(ctx, n, 2), fault.PartitionsNumber)
	must(t, s.SetPartitionedProperties(ctx, n, map[string]string{"k": "v", "l": "w"}))
	must(t, s.SetPartitionedProperties(ctx, n, map[string]string{"l": ""}))
	must(t, s.SetPartitions(ctx, n, 5))
	f, err := s.PartitionedFields(ctx, n)
	if d := cmp.Diff(map[string]any{"partitions": json.Number("5"), "deleted": false, "properties": map[string]any{"k": "v"}}, f); err != nil || d != "" {
		t.Fatal(err, d)
	}
	other := topic(t, "non-persistent://public/default/z")
	must(t, s.CreatePartitioned(ctx, other, 1, map[string]string{"p": "q"}))
	_, err = m.Put(ctx, "/admin/partitioned-topics/public/default/persistent/%ZZ", nil, meta.Absent)
	must(t, err)
	if all, err := s.Partitioned(ctx, "public/default"); err != nil || !slices.Equal(all, []topicname.Name{n, other}) {
		t.Fatalf("%v %v", all, err)
	}
	must(t, s.DeletePartitioned(ctx, n))
	if c, err := s.Partitions(ctx, n); err != nil || c != 0 {
		t.Fatal(c, err)
	}
}

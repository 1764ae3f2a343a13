package main

import (
	"context"
	"testing"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
	"github.com/apache/pulsar-client-go/pulsaradmin"
	"github.com/apache/pulsar-client-go/pulsaradmin/pkg/utils"
)

func check[T any](t *testing.T, what string) func(got T, err error) T {
	return func(got T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		return got
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestStockAdminClient walks through what pulsaradmin, the library below Pulsar's own Go tools, does with tenants, namespaces, topics,
// subscriptions and functions.
func TestStockAdminClient(t *testing.T) {
	p := start(t, t.TempDir(), "127.0.0.1:0", "127.0.0.1:0")
	defer p.stop(t)
	admin := check[pulsaradmin.Client](t, "client")(pulsaradmin.NewClient(&pulsaradmin.Config{WebServiceURL: p.HTTP}))

	if got := check[[]string](t, "clusters")(admin.Clusters().List()); len(got) != 1 || got[0] != "standalone" {
		t.Errorf("clusters %v", got)
	}
	ok(t, admin.Tenants().Create(utils.TenantData{Name: "acme", AllowedClusters: []string{"standalone"}}))
	ok(t, admin.Namespaces().CreateNamespace("acme/shop"))
	if err := admin.Namespaces().CreateNamespace("acme/shop"); err == nil {
		t.Error("the namespace was made twice")
	}
	if err := admin.Namespaces().CreateNamespace("nobody/shop"); err == nil {
		t.Error("a namespace of no tenant")
	}
	ok(t, admin.Namespaces().SetRetention("acme/shop", utils.NewRetentionPolicies(60, 100)))
	if r := check[*utils.RetentionPolicies](t, "retention")(admin.Namespaces().GetRetention("acme/shop")); r.RetentionTimeInMinutes != 60 {
		t.Errorf("retention %+v", r)
	}
	if err := admin.Tenants().Delete("acme"); err == nil {
		t.Error("a tenant with a namespace was deleted")
	}

	name := check[*utils.TopicName](t, "name")(utils.GetTopicName("persistent://acme/shop/orders"))
	ok(t, admin.Topics().Create(*name, 3))
	if m := check[utils.PartitionedTopicMetadata](t, "partitions")(admin.Topics().GetMetadata(*name)); m.Partitions != 3 {
		t.Errorf("%d partitions", m.Partitions)
	}
	ok(t, admin.Topics().Update(*name, 4))
	if err := admin.Topics().Update(*name, 2); err == nil {
		t.Error("a topic lost partitions")
	}
	ok(t, admin.Subscriptions().Create(*name, "audit", utils.Earliest))

	client := stockClient(t, p.Pulsar)
	producer := check[pulsar.Producer](t, "producer")(client.CreateProducer(pulsar.ProducerOptions{Topic: name.String()}))
	defer producer.Close()
	for range 20 {
		check[pulsar.MessageID](t, "send")(producer.Send(context.Background(), &pulsar.ProducerMessage{Payload: []byte("x")}))
	}
	stats := check[utils.PartitionedTopicStats](t, "stats")(admin.Topics().GetPartitionedStats(*name, true))
	if len(stats.Partitions) != 4 || stats.Subscriptions["audit"].MsgBacklog != 20 || len(stats.Publishers) == 0 {
		t.Errorf("%d partitions, backlog %d, %d publishers", len(stats.Partitions), stats.Subscriptions["audit"].MsgBacklog, len(stats.Publishers))
	}
	ok(t, admin.Subscriptions().ClearBacklog(*name, "audit"))
	stats = check[utils.PartitionedTopicStats](t, "stats")(admin.Topics().GetPartitionedStats(*name, true))
	if got := stats.Subscriptions["audit"].MsgBacklog; got != 0 {
		t.Errorf("backlog %d after it was cleared", got)
	}
	ok(t, admin.Subscriptions().ResetCursorToTimestamp(*name, "audit", time.Now().Add(-time.Hour).UnixMilli()))
	ok(t, admin.Topics().Unload(*name))
	if got := check[[]string](t, "subscriptions")(admin.Subscriptions().List(*name)); len(got) != 1 || got[0] != "audit" {
		t.Errorf("subscriptions %v", got)
	}
	ok(t, admin.Topics().SetDeduplicationStatus(*name, true))
	if on := check[bool](t, "deduplication")(admin.Topics().GetDeduplicationStatus(*name)); !on {
		t.Error("deduplication is off")
	}
	ok(t, admin.Topics().RemoveDeduplicationStatus(*name))
	producer.Close()
	ok(t, admin.Subscriptions().ForceDelete(*name, "audit"))
	ok(t, admin.Topics().Delete(*name, true, false))
	ok(t, admin.Namespaces().DeleteNamespace("acme/shop"))
	ok(t, admin.Tenants().Delete("acme"))

	v3 := check[pulsaradmin.Client](t, "client")(pulsaradmin.NewClient(&pulsaradmin.Config{WebServiceURL: p.HTTP, PulsarAPIVersion: 3}))
	if got := check[[]string](t, "functions")(v3.Functions().GetFunctions("public", "default")); len(got) != 0 {
		t.Errorf("functions %v", got)
	}
	if _, err := v3.Functions().GetFunction("public", "default", "nosuch"); err == nil {
		t.Error("a function that is not there")
	}
	if got := check[[]*utils.ConnectorDefinition](t, "sources")(v3.Sources().GetBuiltInSources()); len(got) != 1 || got[0].Name != "postgres" {
		t.Errorf("sources %+v", got)
	}
}

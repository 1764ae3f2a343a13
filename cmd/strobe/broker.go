package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/strobemq/strobe/broker/admin"
	"github.com/strobemq/strobe/broker/auth"
	"github.com/strobemq/strobe/broker/placement"
	"github.com/strobemq/strobe/broker/policy"
	"github.com/strobemq/strobe/broker/schema"
	"github.com/strobemq/strobe/broker/server"
	"github.com/strobemq/strobe/broker/subscription"
	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/broker/topicname"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/ledger"
	"github.com/strobemq/strobe/storage/managed"
)

// producerCounter is the counter of brokers' lives from which generated producer names come (interop §7.14).
const producerCounter = "/counters/producer-name"

// brokerRole ties the broker's rooms together.
type brokerRole struct {
	n         *node
	policies  *policy.Store
	placement *placement.Placement
	schemas   *schema.Registry
	topics    *topic.Topics
	server    *server.Server
	admin     *admin.API
	auth      auth.AllowAll
}

func (n *node) startBroker(ctx context.Context) error {
	c := n.o.config.Broker
	b := &brokerRole{n: n}
	n.broker = b
	var err error
	b.policies, err = policy.Open(ctx, policy.Options{Meta: n.meta, Cluster: c.ClusterName, Log: n.o.log, Changed: b.policiesChanged, Defaults: policy.Settings{
		Retention:     policy.Retention{Minutes: retentionMinutes(c.RetentionTime), Megabytes: retentionMB(c.RetentionSize)},
		Deduplication: c.Deduplication, AutoSubscription: c.AutoSubscriptionCreation,
		AutoTopic:          policy.AutoTopic{Allow: c.AutoTopicCreation, Type: c.AutoTopicCreationType, Partitions: int(c.DefaultPartitions)},
		MaxUnackedConsumer: int(c.MaxUnackedPerConsumer), MaxUnackedSubscription: int(c.MaxUnackedPerSubscription),
	}})
	if err != nil {
		return err
	}
	n.onClose("policies", func(context.Context) error { return b.policies.Close() })
	if n.o.bookies == 0 { // the metadata is not this process's own
		known, err := b.policies.Clusters(ctx)
		if err != nil {
			return err
		}
		if !slices.Contains(known, c.ClusterName) {
			return fault.ClusterName.New("broker.clusterName is %q, known there: %s", c.ClusterName, strings.Join(known, ", "))
		}
	}
	if err := b.policies.Init(ctx, policy.Addresses{HTTP: n.httpURL, Broker: n.pulsarURL}); err != nil {
		return err
	}
	if b.schemas, err = schema.Open(ctx, schema.Options{Meta: n.meta, Ledgers: n.ledgers, Quorum: n.quorum()}); err != nil {
		return err
	}
	n.onClose("schemas", func(context.Context) error { return b.schemas.Close() })
	b.topics = topic.NewTopics(topic.Options{
		Managed: n.managed, Log: n.o.log, Cluster: c.ClusterName,
		NextProducer: func(ctx context.Context) (int64, error) { return n.meta.Sequence(ctx, producerCounter) },
		Own:          b.own, Settings: b.settings, Create: b.mayCreate, Schema: b.addSchema,
		Created: func(t topic.Name) { b.server.TopicCreated(t) },
		Deleted: b.deleted,
	})
	b.placement, err = placement.Open(ctx, placement.Options{Meta: n.meta, Boundaries: b.policies.Boundaries, Broker: n.pulsarURL, HTTP: n.httpURL, Version: version,
		Lost: b.topics.Disown, Log: n.o.log})
	if err != nil {
		return err
	}
	n.onClose("placement", func(context.Context) error { return b.placement.Close() })
	n.onClose("topics", func(context.Context) error { return b.topics.Close() })
	b.server = server.New(server.Options{
		Topics: b.topics, Lookup: b.lookup, Partitions: b.partitions, Schemas: b,
		Authorize: func(ctx context.Context, principal string, a server.Action, resource string) error {
			return b.auth.Allow(ctx, principal, auth.Action(a), resource)
		},
		MaxMessageSize: int(c.MaxMessageSize), KeepAlive: c.KeepAlive, PublishBudget: c.PublishBuffer, HideEntryMetadata: !c.EntryMetadata,
		NoBatchIndexAck: !c.BatchIndexAck, Version: "Strobe " + version, Log: n.o.log,
	})
	b.admin = admin.New(admin.Options{Topics: b.topics, Policies: b.policies, Placement: b.placement, Schemas: b.schemas, Cluster: c.ClusterName, Version: version,
		Storage: ledger.NewCatalog(n.meta), Log: n.o.log, Partitions: b.partitions, Authorize: b.authorizeREST})
	return nil
}

// own keeps this broker from loading what another one serves: clients that come without a lookup would take it away from there.
func (b *brokerRole) own(ctx context.Context, n topic.Name) error {
	return refuseMissing(b.placement.Own(ctx, topicname.Name(n)))
}

func retentionMinutes(d time.Duration) int {
	if d < 0 {
		return -1
	}
	return int(d / time.Minute)
}

func retentionMB(n int64) int64 {
	if n < 0 {
		return -1
	}
	return n >> 20
}

// settings is how a topic is kept: broker defaults, over them the namespace's policies, over them the topic's.
func (b *brokerRole) settings(ctx context.Context, n topic.Name) (topic.Settings, error) {
	p, err := b.policies.Settings(ctx, topicname.Name(n))
	if err != nil {
		return topic.Settings{}, refuseMissing(err)
	}
	c := b.n.o.config.Broker
	s := topic.Settings{
		Dedup: p.Deduplication, DedupEntries: int(c.DedupSnapshotEntries), MaxProducers: p.MaxProducers,
		NoSubscriptionCreation: !p.AutoSubscription,
		Limits:                 subscription.Limits{UnackedPerConsumer: p.MaxUnackedConsumer, UnackedPerSubscription: p.MaxUnackedSubscription, Consumers: p.MaxConsumersSubscription},
		Managed:                managed.Config{RetentionTime: time.Duration(p.Retention.Minutes) * time.Minute, RetentionBytes: p.Retention.Megabytes << 20},
	}
	if p.Retention.Minutes < 0 {
		s.Managed.RetentionTime = -1
	}
	if p.Retention.Megabytes < 0 {
		s.Managed.RetentionBytes = -1
	}
	if q := p.Persistence; q != (policy.Persistence{}) {
		s.Managed.Quorum = bk.Quorum{Ensemble: q.Ensemble, Write: q.Write, Ack: q.Ack}
	}
	return s, nil
}

// refuseMissing gives the errors of policies their answer on the wire.
func refuseMissing(err error) error {
	f, ok := fault.Of(err)
	if !ok {
		return err
	}
	switch f.Fault {
	case fault.NamespaceNotFound, fault.TenantNotFound:
		return &topic.Refusal{Code: wire.TopicNotFound, Err: f}
	case fault.BundleElsewhere, fault.BundleUnloading, fault.PlacementLost:
		return &topic.Refusal{Code: wire.ServiceNotReady, Err: f}
	case fault.SchemaIncompatible, fault.SchemaMalformed:
		return &topic.Refusal{Code: wire.IncompatibleSchema, Err: f}
	case fault.PartitionedExists:
		return &topic.Refusal{Code: wire.NotAllowedError, Err: f}
	}
	return err
}

// mayCreate judges whether somebody's first use may create a topic.
func (b *brokerRole) mayCreate(ctx context.Context, n topic.Name) error {
	name := topicname.Name(n)
	p, err := b.policies.Settings(ctx, name)
	if err != nil {
		return refuseMissing(err)
	}
	if n.Partition >= 0 {
		count, err := b.policies.Partitions(ctx, name.Partitioned())
		if err != nil {
			return err
		}
		if n.Partition < count {
			return nil // a partition of a topic that exists
		}
	} else if count, err := b.policies.Partitions(ctx, name); err != nil {
		return err
	} else if count > 0 {
		return &topic.Refusal{Code: wire.NotAllowedError, Err: fault.PartitionedExists.New("%s is partitioned; its partitions are the topics", n)}
	}
	if !p.AutoTopic.Allow {
		return &topic.Refusal{Code: wire.TopicNotFound, Err: fault.TopicNotFound.New("%s, and topics are not created by use (broker.allowAutoTopicCreation)", n)}
	}
	return nil
}

// partitions answers clients how many partitions a topic has.
func (b *brokerRole) partitions(ctx context.Context, n topic.Name, create bool) (int, error) {
	name := topicname.Name(n)
	count, err := b.policies.Partitions(ctx, name)
	if err != nil || count > 0 {
		return count, refuseMissing(err)
	}
	p, err := b.policies.Settings(ctx, name)
	if err != nil {
		return 0, refuseMissing(err)
	}
	exists, err := b.topics.Exists(ctx, n)
	if err != nil || exists {
		return 0, err
	}
	if !create {
		return 0, &topic.Refusal{Code: wire.TopicNotFound, Err: fault.TopicNotFound.New("%s", n)}
	}
	if p.AutoTopic.Allow && p.AutoTopic.Type == "partitioned" && n.Partition < 0 {
		err := b.policies.CreatePartitioned(ctx, name, p.AutoTopic.Partitions, nil)
		if err == nil || fault.Has(err, fault.PartitionedExists) {
			return b.policies.Partitions(ctx, name)
		}
		return 0, refuseMissing(err)
	}
	return 0, nil
}

func (b *brokerRole) lookup(ctx context.Context, n topic.Name, q server.LookupQuery) (server.Owner, error) {
	o, err := b.placement.Lookup(ctx, topicname.Name(n), q.Listener)
	if err != nil {
		return server.Owner{}, refuseMissing(err)
	}
	return server.Owner{URL: o.BrokerURL, URLTLS: o.BrokerURLTLS, Redirect: !o.Local, Authoritative: true}, nil
}

// policiesChanged makes new policies hold for the topics that are loaded. It is told on the policies' goroutine and must not block it.
func (b *brokerRole) policiesChanged(c policy.Change) {
	if b.topics == nil {
		return // still starting
	}
	go func() { // bounded by the changes of administrators; ends by itself
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		for _, n := range b.concerned(ctx, c) {
			if err := b.topics.Refresh(ctx, n); err != nil {
				b.n.o.log.Warn("policies of a topic could not be read again", "topic", n.String(), "error", err)
			}
		}
	}()
}

// concerned names the loaded topics that a change of policies is about.
func (b *brokerRole) concerned(ctx context.Context, c policy.Change) []topic.Name {
	var names []topic.Name
	if n, err := topicname.Parse(c.Topic); c.Topic != "" && err == nil { // one topic: not all of them are gone through
		names = append(names, n)
		count, err := b.policies.Partitions(ctx, n)
		for i := 0; err == nil && i < count; i++ {
			names = append(names, n.Of(i))
		}
		return names
	}
	for _, t := range b.topics.All() {
		if c.Namespace == "" || c.Namespace == t.Name().FullNamespace() {
			names = append(names, t.Name())
		}
	}
	return names
}

func (b *brokerRole) deleted(n topic.Name) {
	b.server.TopicDeleted(n)
	if n.Partition >= 0 {
		return
	}
	go func() { // the schema goes with its topic; a crash between leaves it behind, where a new topic of the name finds it
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := b.schemas.Purge(ctx, topicname.Name(n)); err != nil {
			b.n.o.log.Warn("the schema of a deleted topic stays", "topic", n.String(), "error", err)
		}
	}()
}

// Schema implements server.Schemas.
func (b *brokerRole) Schema(ctx context.Context, n topic.Name, version []byte) (*pb.Schema, []byte, error) {
	v, err := schema.ParseVersion(version)
	if err != nil {
		return nil, nil, err
	}
	s, err := b.schemas.Get(ctx, topicname.Name(n), v)
	if fault.Has(err, fault.SchemaNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	kind := pb.Schema_Type(s.Type)
	name := topicname.Name(n).Local
	out := &pb.Schema{Name: &name, SchemaData: s.Data, Type: &kind}
	for _, p := range s.Properties {
		out.Properties = append(out.Properties, &pb.KeyValue{Key: &p.Key, Value: &p.Value})
	}
	return out, s.Version.Bytes(), nil
}

// AddSchema implements server.Schemas.
func (b *brokerRole) AddSchema(ctx context.Context, n topic.Name, s *pb.Schema) ([]byte, error) {
	return b.addSchema(ctx, n, s)
}

func (b *brokerRole) addSchema(ctx context.Context, n topic.Name, s *pb.Schema) ([]byte, error) {
	in := schema.Schema{Type: schema.Type(s.GetType()), Data: s.GetSchemaData()}
	for _, p := range s.GetProperties() {
		in.Properties = append(in.Properties, schema.Property{Key: p.GetKey(), Value: p.GetValue()})
	}
	v, err := b.schemas.Put(ctx, topicname.Name(n), in, "")
	if err != nil {
		return nil, refuseMissing(err)
	}
	return v.Bytes(), nil
}

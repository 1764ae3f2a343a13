package policy

import (
	"context"
	"errors"
	"time"

	"github.com/strobemq/strobe/broker/topicname"
)

// Settings are what holds for one topic in the end. Limits of 0 mean: no limit.
type Settings struct {
	Retention     Retention
	Persistence   Persistence // zero: the broker's default quorums
	Deduplication bool
	// DeduplicationSnapshot is how often deduplication is snapshot at least; 0: the broker's default.
	DeduplicationSnapshot time.Duration
	MessageTTL            time.Duration // 0: messages do not expire

	AutoTopic        AutoTopic
	AutoSubscription bool
	// SubscriptionTypes are those that are allowed (Exclusive, Shared, Failover, Key_Shared); empty: all.
	SubscriptionTypes []string
	SchemaRequired    bool // producers without a schema are refused where the topic has one

	MaxMessageSize             int
	MaxProducers               int
	MaxConsumers               int
	MaxConsumersSubscription   int
	MaxSubscriptions           int
	MaxUnackedConsumer         int
	MaxUnackedSubscription     int
	MaxTopics                  int           // of the namespace
	SubscriptionExpiry         time.Duration // 0: subscriptions do not expire
	DelayedDelivery            bool
	DelayedDeliveryTick        time.Duration
	CompactionThreshold        int64 // bytes; 0: not compacted by itself
	ReplicationClusters        []string
	SchemaCompatibility        string // Apache's name of the strategy; "" or UNDEFINED: the broker's
	SchemaAutoUpdateDisallowed bool
}

// table says which field of a document sets what: the documents of namespaces and topics differ in their names only.
type table map[string]func(fields map[string]any, name string, s *Settings) error

// setter makes a table entry of how one value is put into Settings. Absent and null fields leave the Settings alone.
func setter[T any](set func(s *Settings, value T)) func(map[string]any, string, *Settings) error {
	return func(fields map[string]any, name string, s *Settings) error {
		v, ok, err := field[T](fields, name)
		if ok {
			set(s, v)
		}
		return err
	}
}

func (t table) apply(fields map[string]any, s *Settings) error {
	var errs []error
	for name, set := range t {
		if err := set(fields, name, s); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

type delayedDelivery struct {
	Active bool    `json:"active"`
	TickMS float64 `json:"tickTime"`
}

var (
	setRetention     = setter(func(s *Settings, v Retention) { s.Retention = v })
	setPersistence   = setter(func(s *Settings, v Persistence) { s.Persistence = v })
	setDeduplication = setter(func(s *Settings, v bool) { s.Deduplication = v })
	setSnapshot      = setter(func(s *Settings, v int) { s.DeduplicationSnapshot = time.Duration(v) * time.Second })
	setTTL           = setter(func(s *Settings, v int) { s.MessageTTL = time.Duration(v) * time.Second })
	setAutoTopic     = setter(func(s *Settings, v AutoTopic) { s.AutoTopic = v })
	setAutoSub       = setter(func(s *Settings, v autoSubscription) { s.AutoSubscription = v.Allow })
	setSubTypes      = setter(func(s *Settings, v []string) { s.SubscriptionTypes = v })
	setSchemaNeeded  = setter(func(s *Settings, v bool) { s.SchemaRequired = v })
	setMaxMessage    = setter(func(s *Settings, v int) { s.MaxMessageSize = v })
	setMaxProducers  = setter(func(s *Settings, v int) { s.MaxProducers = v })
	setMaxConsumers  = setter(func(s *Settings, v int) { s.MaxConsumers = v })
	setMaxConsSub    = setter(func(s *Settings, v int) { s.MaxConsumersSubscription = v })
	setMaxSubs       = setter(func(s *Settings, v int) { s.MaxSubscriptions = v })
	setUnackedCons   = setter(func(s *Settings, v int) { s.MaxUnackedConsumer = v })
	setUnackedSub    = setter(func(s *Settings, v int) { s.MaxUnackedSubscription = v })
	setCompaction    = setter(func(s *Settings, v int64) { s.CompactionThreshold = v })
	setReplication   = setter(func(s *Settings, v []string) { s.ReplicationClusters = v })
	setCompatibility = setter(func(s *Settings, v string) { s.SchemaCompatibility = v })
)

// namespaceTable reads Policies documents.
var namespaceTable = table{
	"retention_policies": setRetention, "persistence": setPersistence, "deduplicationEnabled": setDeduplication,
	"deduplicationSnapshotIntervalSeconds": setSnapshot, "message_ttl_in_seconds": setTTL,
	"autoTopicCreationOverride": setAutoTopic, "autoSubscriptionCreationOverride": setAutoSub, "subscription_types_enabled": setSubTypes,
	"schema_validation_enforced": setSchemaNeeded, "max_producers_per_topic": setMaxProducers, "max_consumers_per_topic": setMaxConsumers,
	"max_consumers_per_subscription": setMaxConsSub, "max_subscriptions_per_topic": setMaxSubs,
	"max_unacked_messages_per_consumer": setUnackedCons, "max_unacked_messages_per_subscription": setUnackedSub,
	"compaction_threshold": setCompaction, "replication_clusters": setReplication, "schema_compatibility_strategy": setCompatibility,
	"max_topics_per_namespace": setter(func(s *Settings, v int) { s.MaxTopics = v }),
	"subscription_expiration_time_minutes": setter(func(s *Settings, v int) {
		s.SubscriptionExpiry = time.Duration(v) * time.Minute
	}),
	"delayed_delivery_policies": setter(func(s *Settings, v delayedDelivery) {
		s.DelayedDelivery, s.DelayedDeliveryTick = v.Active, time.Duration(v.TickMS*float64(time.Millisecond))
	}),
	"is_allow_auto_update_schema": setter(func(s *Settings, v bool) { s.SchemaAutoUpdateDisallowed = !v }),
}

// topicTable reads TopicPolicies documents (interop §7.13).
var topicTable = table{
	"retentionPolicies": setRetention, "persistence": setPersistence, "deduplicationEnabled": setDeduplication,
	"deduplicationSnapshotIntervalSeconds": setSnapshot, "messageTTLInSeconds": setTTL, "subscriptionTypesEnabled": setSubTypes,
	"schemaValidationEnforced": setSchemaNeeded, "maxMessageSize": setMaxMessage, "maxProducerPerTopic": setMaxProducers,
	"maxConsumerPerTopic": setMaxConsumers, "maxConsumersPerSubscription": setMaxConsSub, "maxSubscriptionsPerTopic": setMaxSubs,
	"maxUnackedMessagesOnConsumer": setUnackedCons, "maxUnackedMessagesOnSubscription": setUnackedSub,
	"compactionThreshold": setCompaction, "replicationClusters": setReplication, "schemaCompatibilityStrategy": setCompatibility,
	"delayedDeliveryEnabled": setter(func(s *Settings, v bool) { s.DelayedDelivery = v }),
	"delayedDeliveryTickTimeMillis": setter(func(s *Settings, v int64) {
		s.DelayedDeliveryTick = time.Duration(v) * time.Millisecond
	}),
}

// Settings resolves what holds for a topic: the broker's defaults, over them the namespace's policies, over them the topic's.
// NamespaceNotFound when the namespace does not exist. The slices are shared: not to be changed.
func (s *Store) Settings(ctx context.Context, n topicname.Name) (Settings, error) {
	ns, err := s.namespace(ctx, n.FullNamespace())
	if err != nil {
		return Settings{}, err
	}
	st := s.base
	if err := namespaceTable.apply(ns.fields, &st); err != nil {
		return Settings{}, err
	}
	own, err := s.load(ctx, topicPolicyKey(n))
	if err != nil {
		return Settings{}, err
	}
	if own != nil {
		if err := topicTable.apply(own.fields, &st); err != nil {
			return Settings{}, err
		}
	}
	return st, nil
}

// NamespaceSettings is Settings of a topic in "tenant/namespace" without policies of its own.
func (s *Store) NamespaceSettings(ctx context.Context, namespace string) (Settings, error) {
	ns, err := s.namespace(ctx, namespace)
	if err != nil {
		return Settings{}, err
	}
	st := s.base
	return st, namespaceTable.apply(ns.fields, &st)
}

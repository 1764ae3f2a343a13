// Package policy keeps what tenants, namespaces and topics are allowed and asked to do: clusters, tenants, namespace policies, bundles,
// partitioned topics and topic policies, under Apache Pulsar's own keys and in its own JSON (interop §8), so that Apache's tools and
// brokers read them. Documents are changed as generic maps: what this version does not know survives.
//
// Documents are cached; a watch drops what changed, so that loading a topic reads nothing that was read before.
package policy

import (
	"context"
	"log/slog"
	"strings"

	"github.com/strobemq/strobe/broker/topicname"
	"github.com/strobemq/strobe/storage/meta"
)

const (
	adminKey       = "/admin"
	clustersKey    = "/admin/clusters"
	policiesKey    = "/admin/policies"
	localKey       = "/admin/local-policies"
	partitionedKey = "/admin/partitioned-topics"
	// topicPoliciesKey is Strobe's own; Apache keeps topic policies in a system topic per namespace (interop §7.13).
	topicPoliciesKey = "/strobe/topic-policies"
)

// Options of a Store. Meta is required.
type Options struct {
	Meta meta.Store
	// Cluster is the name of this cluster. Default: "standalone".
	Cluster string
	// Defaults are the broker's own settings, which namespaces and topics override.
	Defaults Settings
	// Changed is told of policies that changed, by this Store or another: topics concerned may want their Settings again. It is called on
	// one goroutine and must not block. Default: nobody is told.
	Changed func(Change)
	Log     *slog.Logger // default: discard
}

// Change is a change of policies. The zero Change means that anything may have changed.
type Change struct {
	Namespace string // "tenant/namespace"
	// Topic is the full name of the one topic concerned, without "-partition-<n>"; empty: all of the namespace.
	Topic string
}

// Store reads and changes policies. Open makes it; it is safe for concurrent use.
type Store struct {
	meta    meta.Store
	cluster string
	base    Settings
	changed func(Change)
	log     *slog.Logger
	cache   cache
	stop    context.CancelFunc
}

// Open makes a Store and begins to watch. It writes nothing: see Init.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{meta: o.Meta, cluster: o.Cluster, base: o.Defaults, changed: o.Changed, log: o.Log}
	if s.cluster == "" {
		s.cluster = "standalone"
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	watch, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	for _, prefix := range []string{adminKey, topicPoliciesKey} {
		if err := o.Meta.Watch(watch, prefix, s.on); err != nil {
			stop()
			return nil, err
		}
	}
	return s, nil
}

// Cluster is the name of this cluster.
func (s *Store) Cluster() string { return s.cluster }

// on drops what changed from the cache and tells whoever wants to know.
func (s *Store) on(e meta.Event) {
	s.cache.drop(e.Key)
	if s.changed == nil {
		return
	}
	if c, ok := changeOf(e.Key); ok {
		s.changed(c)
	}
}

// changeOf tells which policies a key concerns.
func changeOf(key string) (Change, bool) {
	if meta.Below(adminKey, key) || meta.Below(topicPoliciesKey, key) {
		return Change{}, true // a watch that lost events
	}
	if rest, ok := strings.CutPrefix(key, policiesKey+"/"); ok {
		if _, _, err := topicname.SplitNamespace(rest); err == nil {
			return Change{Namespace: rest}, true
		}
	}
	if rest, ok := strings.CutPrefix(key, topicPoliciesKey+"/"); ok {
		if n, err := decodeTopic(rest); err == nil {
			return Change{Namespace: n.FullNamespace(), Topic: n.String()}, true
		}
	}
	return Change{}, false
}

// encodeTopic is how a topic stands below a key: tenant/namespace/domain/encoded local name.
func encodeTopic(n topicname.Name) string {
	return n.Tenant + "/" + n.Namespace + "/" + n.Domain() + "/" + n.Encoded()
}

func decodeTopic(path string) (topicname.Name, error) {
	parts := strings.Split(path, "/")
	if len(parts) != 4 {
		return topicname.Name{}, errNoTopic
	}
	local, err := meta.DecodeName(parts[3])
	if err != nil {
		return topicname.Name{}, err
	}
	return topicname.Parse(parts[2] + "://" + parts[0] + "/" + parts[1] + "/" + local)
}

// Close ends the watch.
func (s *Store) Close() error {
	s.stop()
	return nil
}

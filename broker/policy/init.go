package policy

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/strobemq/strobe/storage/meta"
)

// Addresses are where a cluster is reached.
type Addresses struct {
	HTTP   string // http://host:port
	Broker string // pulsar://host:port
}

// initBundles is how many bundles Apache's tool gives the namespaces it creates.
const initBundles = 16

// Init makes what every cluster has, where it is missing: the cluster with its addresses, tenants public and pulsar, namespaces
// public/default and pulsar/system. What is there is left alone, but for the cluster's addresses when they changed. A first start
// costs one batch where the metadata store has batches, any other start reads.
func (s *Store) Init(ctx context.Context, a Addresses) error {
	cluster := clusterFields()
	cluster["serviceUrl"], cluster["brokerServiceUrl"] = a.HTTP, a.Broker
	tenant := map[string]any{"allowedClusters": []any{s.cluster}, "adminRoles": []any{}}
	bundles := EvenBoundaries(initBundles)
	namespace := namespaceFields(s.cluster, bundles)
	local := map[string]any{"bundles": bundlesField(bundles), "migrated": false}

	var missing []meta.Change
	for _, node := range []struct {
		key    string
		fields map[string]any
	}{
		{clusterKey(globalCluster), clusterFields()}, {clusterKey(s.cluster), cluster},
		{tenantKey("public"), tenant}, {tenantKey("pulsar"), tenant},
		{namespaceKey("public/default"), namespace}, {localPoliciesKey("public/default"), local},
		{namespaceKey("pulsar/system"), namespace}, {localPoliciesKey("pulsar/system"), local},
	} {
		d, err := s.read(ctx, node.key)
		if err != nil {
			return err
		}
		if d != nil {
			continue
		}
		data, err := json.Marshal(node.fields)
		if err != nil {
			return err
		}
		missing = append(missing, meta.Change{Key: node.key, Data: data, Expect: meta.Absent})
	}
	if err := s.createAll(ctx, missing); err != nil {
		return err
	}
	return s.update(ctx, clusterKey(s.cluster), func(fields map[string]any, _ bool) error {
		fields["serviceUrl"], fields["brokerServiceUrl"] = a.HTTP, a.Broker
		return nil
	})
}

// createAll makes what others have not made meanwhile.
func (s *Store) createAll(ctx context.Context, missing []meta.Change) error {
	if b, ok := s.meta.(meta.Batcher); ok {
		_, err := b.Batch(ctx, missing)
		if !errors.Is(err, meta.ErrConflict) {
			return err
		}
	}
	for _, c := range missing {
		if _, err := s.meta.Put(ctx, c.Key, c.Data, c.Expect); err != nil && !errors.Is(err, meta.ErrConflict) {
			return err
		}
	}
	return nil
}

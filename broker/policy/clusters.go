package policy

import (
	"context"
	"errors"
	"slices"

	"github.com/strobemq/strobe/broker/topicname"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
)

// globalCluster is a dummy that Apache's tools write and hide.
const globalCluster = "global"

func clusterKey(name string) string { return clustersKey + "/" + name }

// clusterFields are what Apache writes into every cluster's document.
func clusterFields() map[string]any {
	return map[string]any{
		"brokerClientTlsEnabled": false, "tlsAllowInsecureConnection": false, "brokerClientTlsEnabledWithKeyStore": false,
		"brokerClientTlsTrustStoreType": "JKS", "brokerClientTlsKeyStoreType": "JKS",
		"brokerClientSslFactoryPlugin": "org.apache.pulsar.common.util.DefaultPulsarSslFactory",
	}
}

// Clusters names the clusters, sorted.
func (s *Store) Clusters(ctx context.Context) ([]string, error) {
	names, err := s.meta.List(ctx, clustersKey)
	return slices.DeleteFunc(names, func(n string) bool { return n == globalCluster }), err
}

// ClusterData is a cluster's document, a copy: serviceUrl, brokerServiceUrl and so on. ClusterNotFound when there is none.
func (s *Store) ClusterData(ctx context.Context, name string) (map[string]any, error) {
	d, err := s.loadNamed(ctx, name, clusterKey(name), fault.ClusterNotFound)
	if err != nil {
		return nil, err
	}
	return deepCopy(d.fields).(map[string]any), nil
}

// CreateCluster makes a cluster with Apache's defaults and fields over them; ClusterExists when there is one.
func (s *Store) CreateCluster(ctx context.Context, name string, fields map[string]any) error {
	if !topicname.ValidPart(name) {
		return fault.NamespaceName.New("%.200q", name)
	}
	all := clusterFields()
	for k, v := range fields {
		all[k] = v
	}
	err := s.create(ctx, clusterKey(name), all)
	if errors.Is(err, meta.ErrConflict) {
		return fault.ClusterExists.New("%s", name)
	}
	return err
}

// UpdateCluster changes a cluster's document; ClusterNotFound when there is none.
func (s *Store) UpdateCluster(ctx context.Context, name string, change func(fields map[string]any) error) error {
	return s.updateNamed(ctx, name, clusterKey(name), fault.ClusterNotFound, change)
}

// DeleteCluster removes a cluster; ClusterNotFound when there is none.
func (s *Store) DeleteCluster(ctx context.Context, name string) error {
	if _, err := s.loadNamed(ctx, name, clusterKey(name), fault.ClusterNotFound); err != nil {
		return err
	}
	return s.remove(ctx, clusterKey(name))
}

// loadNamed is load of a document that must exist under a name that must be valid.
func (s *Store) loadNamed(ctx context.Context, name, key string, missing *fault.Fault) (*document, error) {
	if !topicname.ValidPart(name) {
		return nil, missing.New("%.200q", name)
	}
	d, err := s.load(ctx, key)
	if err == nil && d == nil {
		err = missing.New("%s", name)
	}
	return d, err
}

func (s *Store) updateNamed(ctx context.Context, name, key string, missing *fault.Fault, change func(fields map[string]any) error) error {
	if !topicname.ValidPart(name) {
		return missing.New("%.200q", name)
	}
	return s.update(ctx, key, func(fields map[string]any, exists bool) error {
		if !exists {
			return missing.New("%s", name)
		}
		return change(fields)
	})
}

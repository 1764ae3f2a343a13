package policy

import (
	"context"
	"errors"

	"github.com/strobemq/strobe/broker/topicname"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
)

func namespaceKey(namespace string) string { return policiesKey + "/" + namespace }

// Namespaces names a tenant's namespaces as "tenant/namespace", sorted; TenantNotFound when there is no such tenant.
func (s *Store) Namespaces(ctx context.Context, tenant string) ([]string, error) {
	if _, err := s.loadNamed(ctx, tenant, tenantKey(tenant), fault.TenantNotFound); err != nil {
		return nil, err
	}
	below, err := s.meta.List(ctx, tenantKey(tenant))
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(below))
	for _, name := range below {
		// A node that only stands because something lies below it is a cluster of Pulsar 1.
		d, err := s.load(ctx, namespaceKey(tenant+"/"+name))
		if err != nil {
			return nil, err
		}
		if d != nil && len(d.fields) > 0 {
			names = append(names, tenant+"/"+name)
		}
	}
	return names, nil
}

// Namespace returns the policies of "tenant/namespace". NamespaceNotFound when there is none or it is being deleted.
func (s *Store) Namespace(ctx context.Context, namespace string) (*Policies, error) {
	d, err := s.namespace(ctx, namespace)
	if err != nil {
		return nil, err
	}
	return &Policies{fields: d.fields}, nil
}

func (s *Store) namespace(ctx context.Context, namespace string) (*document, error) {
	if _, _, err := topicname.SplitNamespace(namespace); err != nil {
		return nil, err
	}
	d, err := s.load(ctx, namespaceKey(namespace))
	if err != nil {
		return nil, err
	}
	if d == nil || d.fields["deleted"] == true {
		return nil, fault.NamespaceNotFound.New("%s", namespace)
	}
	return d, nil
}

// defaultBundles is how many bundles a namespace has when nothing is asked (Apache's defaultNumberOfNamespaceBundles).
const defaultBundles = 4

// namespaceFields are what Apache writes into a new namespace's document.
func namespaceFields(cluster string, boundaries []uint32) map[string]any {
	return map[string]any{
		"auth_policies": map[string]any{
			"namespace_auth": map[string]any{}, "destination_auth": map[string]any{}, "subscription_auth_roles": map[string]any{},
		},
		"replication_clusters": []any{cluster}, "allowed_clusters": []any{}, "bundles": bundlesField(boundaries),
		"backlog_quota_map": map[string]any{}, "clusterDispatchRate": map[string]any{}, "topicDispatchRate": map[string]any{},
		"subscriptionDispatchRate": map[string]any{}, "replicatorDispatchRate": map[string]any{}, "clusterSubscribeRate": map[string]any{},
		"publishMaxMessageRate": map[string]any{}, "latency_stats_sample_rate": map[string]any{}, "deleted": false,
		"encryption_required": false, "subscription_auth_mode": "None", "offload_threshold": -1, "offload_threshold_in_seconds": -1,
		"schema_compatibility_strategy": "UNDEFINED", "schema_validation_enforced": false, "subscription_types_enabled": []any{},
		"properties": map[string]any{}, "migrated": false, "clusterThatCanDeleteNamespace": cluster,
	}
}

// CreateNamespace makes "tenant/namespace" with Apache's defaults and fields over them (a Policies document, perhaps with bundles).
// NamespaceExists when there is one, TenantNotFound when its tenant is not there, BundlesValue when the bundles make no sense.
func (s *Store) CreateNamespace(ctx context.Context, namespace string, fields map[string]any) error {
	tenant, _, err := topicname.SplitNamespace(namespace)
	if err != nil {
		return err
	}
	if _, err := s.loadNamed(ctx, tenant, tenantKey(tenant), fault.TenantNotFound); err != nil {
		return err
	}
	boundaries, err := requestedBundles(fields)
	if err != nil {
		return err
	}
	all := namespaceFields(s.cluster, boundaries)
	for k, v := range fields {
		if k != "bundles" && v != nil {
			all[k] = v
		}
	}
	if err := checkPolicies(all); err != nil {
		return err
	}
	err = s.create(ctx, namespaceKey(namespace), all)
	if errors.Is(err, meta.ErrConflict) {
		return fault.NamespaceExists.New("%s", namespace)
	}
	return err
}

// Update changes a namespace's policies document; unknown fields are to be left alone. change gets a copy and may be called again when
// somebody else was faster; when it returns an error nothing is changed. PolicyValue when a policy that Strobe knows has a wrong value.
func (s *Store) Update(ctx context.Context, namespace string, change func(fields map[string]any) error) error {
	if _, _, err := topicname.SplitNamespace(namespace); err != nil {
		return err
	}
	return s.update(ctx, namespaceKey(namespace), func(fields map[string]any, exists bool) error {
		if !exists || fields["deleted"] == true {
			return fault.NamespaceNotFound.New("%s", namespace)
		}
		if err := change(fields); err != nil {
			return err
		}
		return checkPolicies(fields)
	})
}

// DeleteNamespace removes a namespace. It first marks it deleted, so that no topic is created in it any more, then calls empty, which
// makes sure that it has no topics (or removes them); when empty fails the mark is taken back and nothing is removed.
func (s *Store) DeleteNamespace(ctx context.Context, namespace string, empty func(ctx context.Context) error) error {
	if _, _, err := topicname.SplitNamespace(namespace); err != nil {
		return err
	}
	// A namespace that is marked already is one whose deletion did not come to its end.
	if err := s.update(ctx, namespaceKey(namespace), func(fields map[string]any, exists bool) error {
		if !exists {
			return fault.NamespaceNotFound.New("%s", namespace)
		}
		fields["deleted"] = true
		return nil
	}); err != nil {
		return err
	}
	if err := s.emptied(ctx, namespace, empty); err != nil {
		undo := s.update(context.WithoutCancel(ctx), namespaceKey(namespace), func(fields map[string]any, exists bool) error {
			fields["deleted"] = false
			return nil
		})
		return errors.Join(err, undo)
	}
	if err := s.remove(ctx, localPoliciesKey(namespace)); err != nil {
		return err
	}
	return s.remove(ctx, namespaceKey(namespace))
}

func (s *Store) emptied(ctx context.Context, namespace string, empty func(ctx context.Context) error) error {
	if err := empty(ctx); err != nil {
		return err
	}
	left, err := s.Partitioned(ctx, namespace)
	if err == nil && len(left) > 0 {
		err = fault.NamespaceNotEmpty.New("%s has %d partitioned topics, among them %s", namespace, len(left), left[0])
	}
	return err
}

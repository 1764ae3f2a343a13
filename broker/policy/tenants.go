package policy

import (
	"context"
	"errors"

	"github.com/strobemq/strobe/broker/topicname"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
)

// Tenant is who administers a tenant and where its namespaces may be.
type Tenant struct {
	AdminRoles      []string `json:"adminRoles"`
	AllowedClusters []string `json:"allowedClusters"`
}

func tenantKey(name string) string { return policiesKey + "/" + name }

// Tenants names the tenants, sorted.
func (s *Store) Tenants(ctx context.Context) ([]string, error) { return s.meta.List(ctx, policiesKey) }

// Tenant returns a tenant; TenantNotFound when there is none.
func (s *Store) Tenant(ctx context.Context, name string) (Tenant, error) {
	d, err := s.loadNamed(ctx, name, tenantKey(name), fault.TenantNotFound)
	if err != nil {
		return Tenant{}, err
	}
	t := Tenant{}
	roles, _, err1 := field[[]string](d.fields, "adminRoles")
	clusters, _, err2 := field[[]string](d.fields, "allowedClusters")
	t.AdminRoles, t.AllowedClusters = append([]string{}, roles...), append([]string{}, clusters...)
	return t, errors.Join(err1, err2)
}

// CreateTenant makes a tenant; TenantExists when there is one, ClusterNotFound when a cluster it names is not there.
func (s *Store) CreateTenant(ctx context.Context, name string, t Tenant) error {
	if !topicname.ValidPart(name) {
		return fault.NamespaceName.New("%.200q", name)
	}
	if err := s.checkClusters(ctx, t.AllowedClusters); err != nil {
		return err
	}
	err := s.create(ctx, tenantKey(name), tenantFields(t))
	if errors.Is(err, meta.ErrConflict) {
		return fault.TenantExists.New("%s", name)
	}
	return err
}

// UpdateTenant sets a tenant's roles and clusters; what else its document holds stays. TenantNotFound when there is none.
func (s *Store) UpdateTenant(ctx context.Context, name string, t Tenant) error {
	if err := s.checkClusters(ctx, t.AllowedClusters); err != nil {
		return err
	}
	return s.updateNamed(ctx, name, tenantKey(name), fault.TenantNotFound, func(fields map[string]any) error {
		for k, v := range tenantFields(t) {
			fields[k] = v
		}
		return nil
	})
}

func tenantFields(t Tenant) map[string]any {
	return map[string]any{"adminRoles": append([]string{}, t.AdminRoles...), "allowedClusters": append([]string{}, t.AllowedClusters...)}
}

func (s *Store) checkClusters(ctx context.Context, names []string) error {
	for _, name := range names {
		if _, err := s.loadNamed(ctx, name, clusterKey(name), fault.ClusterNotFound); err != nil {
			return err
		}
	}
	return nil
}

// DeleteTenant removes a tenant without namespaces; TenantNotEmpty when it has some.
func (s *Store) DeleteTenant(ctx context.Context, name string) error {
	if _, err := s.loadNamed(ctx, name, tenantKey(name), fault.TenantNotFound); err != nil {
		return err
	}
	below, err := s.meta.List(ctx, tenantKey(name))
	if err != nil {
		return err
	}
	if len(below) > 0 {
		return fault.TenantNotEmpty.New("%s has %d, among them %s/%s", name, len(below), name, below[0])
	}
	return s.remove(ctx, tenantKey(name))
}

package admin

import (
	"slices"

	"github.com/strobemq/strobe/broker/policy"
)

func (a *API) clusters(q *request) error {
	list, err := a.o.Policies.Clusters(q.Context())
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(c string) bool { return c == "global" }) // a legacy dummy that Apache hides too
	return q.reply(list)
}

func (a *API) cluster(q *request) error {
	data, err := a.o.Policies.ClusterData(q.Context(), q.PathValue("cluster"))
	if err != nil {
		return err
	}
	return q.reply(data)
}

func (a *API) createCluster(q *request) error {
	fields := map[string]any{}
	if _, err := q.body(&fields); err != nil {
		return err
	}
	if err := a.o.Policies.CreateCluster(q.Context(), q.PathValue("cluster"), fields); err != nil {
		return err
	}
	return q.noContent()
}

func (a *API) deleteCluster(q *request) error {
	if err := a.o.Policies.DeleteCluster(q.Context(), q.PathValue("cluster")); err != nil {
		return err
	}
	return q.noContent()
}

func (a *API) tenants(q *request) error {
	list, err := a.o.Policies.Tenants(q.Context())
	if err != nil {
		return err
	}
	return q.reply(nonNil(list))
}

func (a *API) tenant(q *request) error {
	t, err := a.o.Policies.Tenant(q.Context(), q.PathValue("tenant"))
	if err != nil {
		return err
	}
	return q.reply(t)
}

// tenantBody reads the tenant of the request; without a list of clusters it may use this one.
func (a *API) tenantBody(q *request) (policy.Tenant, error) {
	t := policy.Tenant{AdminRoles: []string{}}
	if _, err := q.body(&t); err != nil {
		return t, err
	}
	if t.AllowedClusters == nil {
		t.AllowedClusters = []string{a.o.Cluster}
	}
	return t, nil
}

func (a *API) createTenant(q *request) error {
	t, err := a.tenantBody(q)
	if err != nil {
		return err
	}
	if err := a.o.Policies.CreateTenant(q.Context(), q.PathValue("tenant"), t); err != nil {
		return err
	}
	return q.noContent()
}

func (a *API) updateTenant(q *request) error {
	t, err := a.tenantBody(q)
	if err != nil {
		return err
	}
	if err := a.o.Policies.UpdateTenant(q.Context(), q.PathValue("tenant"), t); err != nil {
		return err
	}
	return q.noContent()
}

func (a *API) deleteTenant(q *request) error {
	if err := a.o.Policies.DeleteTenant(q.Context(), q.PathValue("tenant")); err != nil {
		return err
	}
	return q.noContent()
}

// nonNil is list, or an empty one: JSON has [] where Go has nil.
func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

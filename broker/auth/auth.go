// Package auth decides who may do what. Every command and every endpoint asks it from the first day; for now it allows all.
//
// Resources are named by plain strings whose form follows from the action: the full name of a topic (persistent://tenant/namespace/name),
// a namespace ("tenant/namespace"), a tenant, a cluster, or "" for the broker itself.
package auth

import (
	"context"

	"github.com/strobemq/strobe/internal/fault"
)

// Action is what somebody wants to do. The first group are Apache Pulsar's permissions, granted on namespaces and topics; the second are
// the administrative operations, which belong to the roles of a tenant or of the cluster.
type Action string

const (
	Produce   Action = "produce"   // topic: publish
	Consume   Action = "consume"   // topic: subscribe, acknowledge, seek
	Functions Action = "functions" // namespace: deploy and change functions
	Sources   Action = "sources"   // namespace: deploy and change sources
	Sinks     Action = "sinks"     // namespace: deploy and change sinks
	Packages  Action = "packages"  // namespace: upload packages

	Lookup Action = "lookup" // topic: find it, read its partitions and schema
	List   Action = "list"   // namespace: name its topics
	Stats  Action = "stats"  // topic: read statistics and positions

	ManageTopic     Action = "manage-topic"     // topic: create, delete, unload, terminate, partitions, subscriptions, schema, policies
	ManageNamespace Action = "manage-namespace" // namespace: create, delete, unload, policies, permissions
	ManageTenant    Action = "manage-tenant"    // tenant: create, change, delete, name its namespaces
	ManageCluster   Action = "manage-cluster"   // cluster: clusters and their addresses
	ManageBroker    Action = "manage-broker"    // broker: configuration, metrics of all, shutdown
)

// Actions are all of them.
var Actions = []Action{
	Produce, Consume, Functions, Sources, Sinks, Packages, Lookup, List, Stats,
	ManageTopic, ManageNamespace, ManageTenant, ManageCluster, ManageBroker,
}

var known = func() map[Action]bool {
	m := make(map[Action]bool, len(Actions))
	for _, a := range Actions {
		m[a] = true
	}
	return m
}()

// AllowAll lets everybody do everything that is an action.
type AllowAll struct{}

// Allow returns nil when principal may do action to resource, else a fault.NotAuthorized. An action that does not exist is refused, so that
// a place that asks wrongly shows before permissions are judged.
func (AllowAll) Allow(_ context.Context, principal string, action Action, resource string) error {
	if !known[action] {
		return fault.NotAuthorized.New("%.80q to do %.80q to %.200q: there is no such action", principal, action, resource)
	}
	return nil
}

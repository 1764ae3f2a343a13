package admin

import "github.com/strobemq/strobe/broker/auth"

// route is one path of the API.
type route struct {
	method, path string
	action       auth.Action // what the caller must be allowed
	handle       func(*request) error
}

// routes is every path served, top to bottom as Pulsar groups them. docs/protocol/admin.md is written from it.
func (a *API) routes() []route {
	const (
		ns = "/admin/v2/namespaces/{tenant}/{namespace}"
	)
	list := []route{
		{"GET", "/admin/v2/clusters", auth.ManageCluster, a.clusters},
		{"GET", "/admin/v2/clusters/{cluster}", auth.ManageCluster, a.cluster},
		{"PUT", "/admin/v2/clusters/{cluster}", auth.ManageCluster, a.createCluster},
		{"DELETE", "/admin/v2/clusters/{cluster}", auth.ManageCluster, a.deleteCluster},

		{"GET", "/admin/v2/tenants", auth.ManageTenant, a.tenants},
		{"GET", "/admin/v2/tenants/{tenant}", auth.ManageTenant, a.tenant},
		{"PUT", "/admin/v2/tenants/{tenant}", auth.ManageTenant, a.createTenant},
		{"POST", "/admin/v2/tenants/{tenant}", auth.ManageTenant, a.updateTenant},
		{"DELETE", "/admin/v2/tenants/{tenant}", auth.ManageTenant, a.deleteTenant},

		{"GET", "/admin/v2/namespaces/{tenant}", auth.ManageTenant, a.namespaces},
		{"GET", ns, auth.ManageNamespace, a.namespacePolicies},
		{"PUT", ns, auth.ManageNamespace, a.createNamespace},
		{"DELETE", ns, auth.ManageNamespace, a.deleteNamespace},
		{"GET", ns + "/topics", auth.List, a.namespaceTopics},
		{"GET", ns + "/bundles", auth.ManageNamespace, a.namespaceBundles},
		{"PUT", ns + "/unload", auth.ManageNamespace, a.unloadNamespace},
		{"PUT", ns + "/{bundle}/unload", auth.ManageNamespace, a.unloadBundle},
		{"GET", ns + "/permissions", auth.ManageNamespace, a.permissions},
		{"POST", ns + "/permissions/{role}", auth.ManageNamespace, a.grant},
		{"DELETE", ns + "/permissions/{role}", auth.ManageNamespace, a.revoke},

		{"GET", "/lookup/v2/topic/persistent/{tenant}/{namespace}/{topic}", auth.Lookup, a.lookup},
		{"GET", "/lookup/v2/topic/non-persistent/{tenant}/{namespace}/{topic}", auth.Lookup, a.lookup},
		{"GET", "/lookup/v2/topic/persistent/{tenant}/{namespace}/{topic}/bundle", auth.Lookup, a.lookupBundle},
		{"GET", "/lookup/v2/topic/non-persistent/{tenant}/{namespace}/{topic}/bundle", auth.Lookup, a.lookupBundle},

		{"GET", "/admin/v2/schemas/{tenant}/{namespace}/{topic}/schema", auth.Lookup, a.schemaLatest},
		{"GET", "/admin/v2/schemas/{tenant}/{namespace}/{topic}/schema/{version}", auth.Lookup, a.schemaVersion},
		{"GET", "/admin/v2/schemas/{tenant}/{namespace}/{topic}/schemas", auth.Lookup, a.schemaAll},
		{"POST", "/admin/v2/schemas/{tenant}/{namespace}/{topic}/schema", auth.ManageTopic, a.schemaPost},
		{"DELETE", "/admin/v2/schemas/{tenant}/{namespace}/{topic}/schema", auth.ManageTopic, a.schemaDelete},

		{"GET", "/admin/v2/brokers", auth.ManageBroker, a.brokers},
		{"GET", "/admin/v2/brokers/{cluster}", auth.ManageBroker, a.brokers},
		{"GET", "/admin/v2/brokers/leaderBroker", auth.ManageBroker, a.leaderBroker},
		{"GET", "/admin/v2/brokers/health", auth.Lookup, a.health},
		{"GET", "/admin/v2/brokers/ready", auth.Lookup, a.health},
		{"GET", "/admin/v2/brokers/version", auth.Lookup, a.version},
	}
	list = append(list, []route{
		{"GET", "/admin/v2/bookies/all", auth.ManageBroker, a.bookieIDs},
		{"GET", "/admin/v2/bookies/racks-info", auth.ManageBroker, a.racks},
		{"GET", "/admin/v2/bookies/racks-info/{bookie}", auth.ManageBroker, a.rack},
		{"GET", "/strobe/v1/bookies", auth.ManageBroker, a.bookies},
		{"GET", "/strobe/v1/bookies/{bookie}", auth.ManageBroker, a.bookie},
		{"DELETE", "/strobe/v1/bookies/{bookie}", auth.ManageBroker, a.forgetBookie},
		{"GET", "/strobe/v1/ledgers", auth.ManageBroker, a.ledgers},
		{"GET", "/strobe/v1/ledgers/{ledger}", auth.ManageBroker, a.ledger},
	}...)
	for _, p := range namespaceDocuments {
		list = append(list, a.documentRoutes(ns, p)...)
	}
	for _, domain := range []string{"persistent", "non-persistent"} {
		list = append(list, a.topicRoutes("/admin/v2/"+domain)...)
	}
	return list
}

// topicRoutes are the paths of one domain.
func (a *API) topicRoutes(base string) []route {
	ns := base + "/{tenant}/{namespace}"
	t := ns + "/{topic}"
	sub := t + "/subscription/{subscription}"
	list := []route{
		{"GET", ns, auth.List, a.topics},
		{"GET", ns + "/partitioned", auth.List, a.partitionedTopics},
		{"PUT", t, auth.ManageTopic, a.createTopic},
		{"DELETE", t, auth.ManageTopic, a.deleteTopic},
		{"GET", t + "/partitions", auth.Lookup, a.partitions},
		{"PUT", t + "/partitions", auth.ManageTopic, a.createPartitioned},
		{"POST", t + "/partitions", auth.ManageTopic, a.growPartitioned},
		{"DELETE", t + "/partitions", auth.ManageTopic, a.deletePartitioned},
		{"POST", t + "/createMissedPartitions", auth.ManageTopic, a.createMissedPartitions},
		{"GET", t + "/stats", auth.Stats, a.stats},
		{"GET", t + "/partitioned-stats", auth.Stats, a.partitionedStats},
		{"GET", t + "/internalStats", auth.Stats, a.internalStats},
		{"GET", t + "/internal-info", auth.Stats, a.internalInfo},
		{"PUT", t + "/unload", auth.ManageTopic, a.unloadTopic},
		{"POST", t + "/terminate", auth.ManageTopic, a.terminate},
		{"GET", t + "/lastMessageId", auth.Stats, a.lastMessageID},
		{"GET", t + "/ledger/{ledger}/entry/{entry}", auth.Consume, a.message},

		{"GET", t + "/subscriptions", auth.ManageTopic, a.subscriptions},
		{"PUT", sub, auth.ManageTopic, a.createSubscription},
		{"DELETE", sub, auth.ManageTopic, a.deleteSubscription},
		{"GET", sub + "/properties", auth.ManageTopic, a.subscriptionProperties},
		{"POST", sub + "/skip_all", auth.ManageTopic, a.skipAll},
		{"POST", sub + "/skip/{number}", auth.ManageTopic, a.skip},
		{"POST", sub + "/expireMessages/{number}", auth.ManageTopic, a.expire},
		{"POST", sub + "/resetcursor/{number}", auth.ManageTopic, a.resetToTime},
		{"POST", sub + "/resetcursor", auth.ManageTopic, a.resetToID},
		{"GET", sub + "/position/{number}", auth.Consume, a.peek},
	}
	for _, p := range topicDocuments {
		list = append(list, a.documentRoutes(t, p)...)
	}
	return list
}

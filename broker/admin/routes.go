package admin

// route is one path of the API.
type route struct {
	method, path string
	action       string // what the caller must be allowed
	handle       func(*request) error
}

// routes is every path served, top to bottom as Pulsar groups them. docs/protocol/admin.md is written from it.
func (a *API) routes() []route {
	const (
		ns = "/admin/v2/namespaces/{tenant}/{namespace}"
	)
	list := []route{
		{"GET", "/admin/v2/clusters", "admin", a.clusters},
		{"GET", "/admin/v2/clusters/{cluster}", "admin", a.cluster},
		{"PUT", "/admin/v2/clusters/{cluster}", "admin", a.createCluster},
		{"DELETE", "/admin/v2/clusters/{cluster}", "admin", a.deleteCluster},

		{"GET", "/admin/v2/tenants", "admin", a.tenants},
		{"GET", "/admin/v2/tenants/{tenant}", "admin", a.tenant},
		{"PUT", "/admin/v2/tenants/{tenant}", "admin", a.createTenant},
		{"POST", "/admin/v2/tenants/{tenant}", "admin", a.updateTenant},
		{"DELETE", "/admin/v2/tenants/{tenant}", "admin", a.deleteTenant},

		{"GET", "/admin/v2/namespaces/{tenant}", "admin", a.namespaces},
		{"GET", ns, "admin", a.namespacePolicies},
		{"PUT", ns, "admin", a.createNamespace},
		{"DELETE", ns, "admin", a.deleteNamespace},
		{"GET", ns + "/topics", "lookup", a.namespaceTopics},
		{"GET", ns + "/bundles", "admin", a.namespaceBundles},
		{"PUT", ns + "/unload", "admin", a.unloadNamespace},
		{"PUT", ns + "/{bundle}/unload", "admin", a.unloadBundle},
		{"GET", ns + "/permissions", "admin", a.permissions},
		{"POST", ns + "/permissions/{role}", "admin", a.grant},
		{"DELETE", ns + "/permissions/{role}", "admin", a.revoke},

		{"GET", "/lookup/v2/topic/persistent/{tenant}/{namespace}/{topic}", "lookup", a.lookup},
		{"GET", "/lookup/v2/topic/non-persistent/{tenant}/{namespace}/{topic}", "lookup", a.lookup},
		{"GET", "/lookup/v2/topic/persistent/{tenant}/{namespace}/{topic}/bundle", "lookup", a.lookupBundle},
		{"GET", "/lookup/v2/topic/non-persistent/{tenant}/{namespace}/{topic}/bundle", "lookup", a.lookupBundle},

		{"GET", "/admin/v2/schemas/{tenant}/{namespace}/{topic}/schema", "lookup", a.schemaLatest},
		{"GET", "/admin/v2/schemas/{tenant}/{namespace}/{topic}/schema/{version}", "lookup", a.schemaVersion},
		{"GET", "/admin/v2/schemas/{tenant}/{namespace}/{topic}/schemas", "lookup", a.schemaAll},
		{"POST", "/admin/v2/schemas/{tenant}/{namespace}/{topic}/schema", "admin", a.schemaPost},
		{"DELETE", "/admin/v2/schemas/{tenant}/{namespace}/{topic}/schema", "admin", a.schemaDelete},

		{"GET", "/admin/v2/brokers", "admin", a.brokers},
		{"GET", "/admin/v2/brokers/{cluster}", "admin", a.brokers},
		{"GET", "/admin/v2/brokers/leaderBroker", "admin", a.leaderBroker},
		{"GET", "/admin/v2/brokers/health", "lookup", a.health},
		{"GET", "/admin/v2/brokers/ready", "lookup", a.health},
		{"GET", "/admin/v2/brokers/version", "lookup", a.version},
	}
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
		{"GET", ns, "lookup", a.topics},
		{"GET", ns + "/partitioned", "lookup", a.partitionedTopics},
		{"PUT", t, "admin", a.createTopic},
		{"DELETE", t, "admin", a.deleteTopic},
		{"GET", t + "/partitions", "lookup", a.partitions},
		{"PUT", t + "/partitions", "admin", a.createPartitioned},
		{"POST", t + "/partitions", "admin", a.growPartitioned},
		{"DELETE", t + "/partitions", "admin", a.deletePartitioned},
		{"POST", t + "/createMissedPartitions", "admin", a.createMissedPartitions},
		{"GET", t + "/stats", "admin", a.stats},
		{"GET", t + "/partitioned-stats", "admin", a.partitionedStats},
		{"GET", t + "/internalStats", "admin", a.internalStats},
		{"GET", t + "/internal-info", "admin", a.internalInfo},
		{"PUT", t + "/unload", "admin", a.unloadTopic},
		{"POST", t + "/terminate", "admin", a.terminate},
		{"GET", t + "/lastMessageId", "admin", a.lastMessageID},
		{"GET", t + "/ledger/{ledger}/entry/{entry}", "admin", a.message},

		{"GET", t + "/subscriptions", "admin", a.subscriptions},
		{"PUT", sub, "admin", a.createSubscription},
		{"DELETE", sub, "admin", a.deleteSubscription},
		{"GET", sub + "/properties", "admin", a.subscriptionProperties},
		{"POST", sub + "/skip_all", "admin", a.skipAll},
		{"POST", sub + "/skip/{number}", "admin", a.skip},
		{"POST", sub + "/expireMessages/{number}", "admin", a.expire},
		{"POST", sub + "/resetcursor/{number}", "admin", a.resetToTime},
		{"POST", sub + "/resetcursor", "admin", a.resetToID},
		{"GET", sub + "/position/{number}", "admin", a.peek},
	}
	for _, p := range topicDocuments {
		list = append(list, a.documentRoutes(t, p)...)
	}
	return list
}

package fault

// Errors about tenants, namespaces, clusters, partitioned topics and their policies.
var (
	NamespaceName = &Fault{
		Code:  "STB-POLICY-0001",
		Title: "not a tenant, namespace or cluster name",
		Cause: "Tenants, namespaces and clusters consist of letters, digits and - = : . _; a namespace is written tenant/namespace.",
		Fix:   "Write, for example, public/default.",
	}
	TenantNotFound = &Fault{
		Code:  "STB-POLICY-0002",
		Title: "tenant does not exist",
		Cause: "Tenants are not created by use.",
		Fix:   "`pulsar-admin tenants create NAME`, or use the tenant public.",
	}
	TenantExists = &Fault{
		Code:  "STB-POLICY-0003",
		Title: "tenant exists",
		Cause: "A tenant of this name was created before; nothing was changed.",
		Fix:   "Use it, or update it.",
	}
	TenantNotEmpty = &Fault{
		Code:  "STB-POLICY-0004",
		Title: "tenant has namespaces",
		Cause: "Only a tenant without namespaces can be deleted.",
		Fix:   "Delete its namespaces first.",
	}
	NamespaceNotFound = &Fault{
		Code:  "STB-POLICY-0005",
		Title: "namespace does not exist",
		Cause: "Namespaces are not created by use; or the namespace is being deleted.",
		Fix:   "`pulsar-admin namespaces create TENANT/NAMESPACE`, or use public/default.",
	}
	NamespaceExists = &Fault{
		Code:  "STB-POLICY-0006",
		Title: "namespace exists",
		Cause: "A namespace of this name was created before; nothing was changed.",
		Fix:   "Use it, or change its policies.",
	}
	NamespaceNotEmpty = &Fault{
		Code:  "STB-POLICY-0007",
		Title: "namespace has topics",
		Cause: "Only a namespace without topics can be deleted, unless force is asked for.",
		Fix:   "Delete its topics first, or force.",
	}
	ClusterNotFound = &Fault{
		Code:  "STB-POLICY-0008",
		Title: "cluster does not exist",
		Cause: "No cluster of this name is known in the metadata.",
		Fix:   "`pulsar-admin clusters list` shows those that are.",
	}
	ClusterExists = &Fault{
		Code:  "STB-POLICY-0009",
		Title: "cluster exists",
		Cause: "A cluster of this name was created before; nothing was changed.",
		Fix:   "Use it, or update it.",
	}
	PartitionedNotFound = &Fault{
		Code:  "STB-POLICY-0010",
		Title: "partitioned topic does not exist",
		Cause: "The topic is not partitioned, or there is none.",
		Fix:   "`strobe topics list` shows the topics.",
	}
	PartitionedExists = &Fault{
		Code:  "STB-POLICY-0011",
		Title: "topic exists",
		Cause: "A topic of this name was created before; nothing was changed.",
		Fix:   "Use it, or delete it first.",
	}
	PartitionsNumber = &Fault{
		Code:  "STB-POLICY-0012",
		Title: "number of partitions not possible",
		Cause: "A partitioned topic has 1 to 100000 partitions, and never fewer than before: messages in those that went would be lost. A partition itself cannot be partitioned.",
		Fix:   "Ask for a larger number, or create another topic.",
	}
	PolicyValue = &Fault{
		Code:  "STB-POLICY-0013",
		Title: "policy is not valid",
		Cause: "A policy has a value of the wrong type or out of its range, in a request or as it is stored in the metadata.",
		Fix:   "Correct the value; the detail names the policy.",
	}
	BundlesValue = &Fault{
		Code:  "STB-POLICY-0014",
		Title: "bundles are not valid",
		Cause: "A namespace's bundles divide the hashes 0x00000000 to 0xffffffff by ascending boundaries.",
		Fix:   "Give a number of bundles from 1 to 1024, or a complete list of boundaries.",
	}
)

// policyFaults is the policy room's part of the table.
var policyFaults = []*Fault{
	NamespaceName, TenantNotFound, TenantExists, TenantNotEmpty, NamespaceNotFound, NamespaceExists, NamespaceNotEmpty, ClusterNotFound,
	ClusterExists, PartitionedNotFound, PartitionedExists, PartitionsNumber, PolicyValue, BundlesValue,
}

package fault

var (
	ClusterMetadata = &Fault{
		Code: "STB-CLUSTER-0001", Title: "metadata.url does not fit the role",
		Cause: "The processes of a cluster share their metadata on etcd, whose address is metadata.url. `strobe standalone` keeps its metadata in its data directory.",
		Fix:   "For `strobe bookie`, `strobe broker` and `strobe cluster`: --metadata etcd://host:2379, or metadata.url in the configuration file. For `strobe standalone`: leave it out.",
	}
	ClusterMissing = &Fault{
		Code: "STB-CLUSTER-0002", Title: "there is no cluster in the metadata store",
		Cause: "The store answers, but nobody founded a cluster there; or metadata.url names another store, or another prefix, than the one with the cluster.",
		Fix:   "Check metadata.url. For a new cluster: `strobe cluster init --metadata URL`, once.",
	}
	ClusterNoWorker = &Fault{
		Code: "STB-CLUSTER-0003", Title: "no broker runs the function worker now",
		Cause: "One broker of the cluster runs functions and sources. It has just gone, and another has not yet taken over.",
		Fix:   "Try again in some seconds. If it stays so, look at the brokers' logs.",
	}
	ClusterLayout = &Fault{
		Code: "STB-CLUSTER-0004", Title: "the metadata is laid out in a way that this version does not know",
		Cause: "The value says where in the metadata store the ledgers are described. It names another layout than the hierarchical one of BookKeeper and Pulsar, or a newer version of it. With the wrong layout no ledger would be found, and bookies would take theirs for deleted; so nothing is started and nothing was changed.",
		Fix:   "If a newer version wrote it, run that one. A cluster of BookKeeper with another ledger manager (flat, long hierarchical) cannot be served.",
	}
	ClusterForeign = &Fault{
		Code: "STB-CLUSTER-0005", Title: "the data directory belongs to another cluster",
		Cause: "This directory was used by a process of one cluster, and metadata.url leads to another. This happens when a configuration was copied, or when the metadata was deleted and founded again.",
		Fix:   "Correct metadata.url. A broker's directory holds nothing that matters (compiled modules, logs of functions): to move it to the other cluster, give an empty --data.",
	}
	ClusterName = &Fault{
		Code: "STB-CLUSTER-0006", Title: "no cluster of that name in the metadata store",
		Cause: "broker.clusterName is not among the clusters that the metadata store knows: metadata.url leads to another cluster than meant, or the name is wrong. A broker that went on would add a cluster to somebody else's metadata.",
		Fix:   "Correct metadata.url or broker.clusterName. To found a cluster of that name in an empty store, or to add it to this one: `strobe cluster init` with the same configuration.",
	}
	ClusterClocks = &Fault{
		Code: "STB-CLUSTER-0007", Title: "the clocks of two processes differ",
		Cause: "The wall clock of another process of the cluster is more than ten seconds from this one's. Nothing that was acknowledged and not consumed depends on it. Consumed messages that retention keeps are kept by the slowest clock, so that they may stay longer; times of messages and of seeks by time are as wrong as the clock of the broker or the client that gave them.",
		Fix:   "Run chrony or another NTP client on all machines; `chronyc tracking` shows which one is off.",
	}
)

// clusterFaults is the part of the table about several processes.
var clusterFaults = []*Fault{ClusterMetadata, ClusterMissing, ClusterNoWorker, ClusterLayout, ClusterForeign, ClusterName, ClusterClocks}

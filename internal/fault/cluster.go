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
)

// clusterFaults is the part of the table about several processes.
var clusterFaults = []*Fault{ClusterMetadata, ClusterMissing, ClusterNoWorker}

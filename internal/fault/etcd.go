package fault

// The errors of etcd as metadata store.
var (
	EtcdUnreachable = &Fault{
		Code:  "STB-META-0101",
		Title: "etcd cannot be reached",
		Cause: "None of the etcd members answered in time, or so few of them run that they cannot agree: more than half are needed. A change that was under way may have happened. Topics that are open go on; whatever needs metadata waits or fails until etcd is back.",
		Fix:   "Run `etcdctl endpoint health --cluster`, start the members that are down, and check the addresses in the metadata URL and the network between here and there.",
	}
	EtcdCluster = &Fault{
		Code:  "STB-META-0102",
		Title: "wrong etcd cluster",
		Cause: "The addresses of the metadata URL lead to more than one etcd cluster, or an address leads to another cluster than when this process began. To go on would spread one cluster's metadata over two.",
		Fix:   "Give only the addresses of one etcd cluster: `etcdctl member list` on each must show the same members. After etcd was restored from a backup, restart all processes.",
	}
	EtcdAuth = &Fault{
		Code:  "STB-META-0103",
		Title: "etcd refuses the user",
		Cause: "etcd's authentication is on, and the user, the password or the client certificate is wrong or missing, or the user's role does not grant reading and writing of the keys.",
		Fix:   "Check the user and the reference to the password. The role needs `etcdctl role grant-permission ROLE --prefix=true readwrite /` (or the prefix of the metadata URL).",
	}
	EtcdSpace = &Fault{
		Code:  "STB-META-0104",
		Title: "etcd is full",
		Cause: "etcd's database has reached its quota. It refuses every write until space was made and the alarm was cleared.",
		Fix:   "`etcdctl compact REVISION`, `etcdctl defrag --cluster`, `etcdctl alarm disarm`; then set --auto-compaction-retention=1h on the members and, if need be, a larger --quota-backend-bytes.",
	}
	EtcdRequest = &Fault{
		Code:  "STB-META-0105",
		Title: "change too large for etcd",
		Cause: "etcd takes at most --max-request-bytes (1.5 MiB unless set) and --max-txn-ops operations (128 unless set) in one request, and this change is larger. Nothing was changed.",
		Fix:   "Make the value smaller, or set the members' limits to etcd's defaults or above.",
	}
	EtcdAddress = &Fault{
		Code:  "STB-META-0106",
		Title: "etcd address not understood",
		Cause: "The metadata URL is none of the forms etcd://host:port,host:port/prefix, etcds://host:port (TLS) and etcd:http://host:port,http://host:port.",
		Fix:   "Write for example etcd://10.0.0.1:2379,10.0.0.2:2379,10.0.0.3:2379. User and password are settings of their own and not part of the URL.",
	}
	EtcdCredentials = &Fault{
		Code:  "STB-META-0107",
		Title: "etcd credentials cannot be used",
		Cause: "The authority, the certificate, its key or the password for etcd could not be read, or do not fit together.",
		Fix:   "Certificates are PEM files. The key and the password are references, env:NAME or file:/path, to something this process may read.",
	}
)

// etcdFaults is etcd's part of the table.
var etcdFaults = []*Fault{EtcdUnreachable, EtcdCluster, EtcdAuth, EtcdSpace, EtcdRequest, EtcdAddress, EtcdCredentials}

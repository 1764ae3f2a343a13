package config

// sections are the headings of strobe.yaml.
var sections = []string{"metadata", "broker", "bookie", "http", "worker", "log"}

// Keys is the table: every key once, bound to the field of c that it sets.
func (c *Config) Keys() []Key {
	m, b, k, h, w := &c.Metadata, &c.Broker, &c.Bookie, &c.HTTP, &c.Worker
	return []Key{
		text("metadata.url", &m.URL, "", "metadata of the cluster, for `strobe bookie` and `strobe broker`: etcd://host:port,host:port/prefix, or etcd:http://host:port as Pulsar writes it"),
		duration("metadata.sessionTimeoutMillis", &m.SessionTimeout, milliseconds, 10_000, 2000, "how long a process that is gone keeps its registration and its topics"),
		text("metadata.user", &m.User, "", "user of the metadata store, where it asks for one"),
		text("metadata.password", &m.Password, "", "reference to the password, env:NAME or file:/path"),
		text("metadata.tlsTrustCertsFilePath", &m.CA, "", "certificates that may sign those of the metadata store; empty: the system's"),
		text("metadata.tlsCertificateFilePath", &m.Certificate, "", "certificate that this process shows the metadata store"),
		text("metadata.tlsKey", &m.Key, "", "reference to its key, env:NAME or file:/path"),
		text("metadata.tlsServerName", &m.TLSServerName, "", "name that the metadata store's certificates must have, where it is not the host of the URL"),

		text("broker.clusterName", &b.ClusterName, "standalone", "name of the cluster in metadata and in generated producer names"),
		bytes("broker.maxMessageSize", &b.MaxMessageSize, 5<<20, 1<<10, 128<<20, "largest message a producer may send, in bytes"),
		duration("broker.keepAliveIntervalSeconds", &b.KeepAlive, seconds, 30, 1, "after this time without a byte a client is asked whether it lives; after twice this it is disconnected"),
		boolean("broker.allowAutoTopicCreation", &b.AutoTopicCreation, true, "create a topic when a client first uses it"),
		choice("broker.allowAutoTopicCreationType", &b.AutoTopicCreationType, "non-partitioned", []string{"non-partitioned", "partitioned"}, "kind of the topics created that way"),
		number("broker.defaultNumPartitions", &b.DefaultPartitions, 1, 1, 10_000, "partitions of a partitioned topic created that way"),
		boolean("broker.allowAutoSubscriptionCreation", &b.AutoSubscriptionCreation, true, "create a subscription when a consumer first uses it"),
		boolean("broker.acknowledgmentAtBatchIndexLevelEnabled", &b.BatchIndexAck, true, "remember acknowledgements of single messages of a batch (Apache's default is off)"),
		boolean("broker.exposingBrokerEntryMetadataToClientEnabled", &b.EntryMetadata, true, "send index and broker time to clients that ask for them; they are always stored"),
		boolean("broker.brokerDeduplicationEnabled", &b.Deduplication, false, "drop messages whose sequence id a producer has already published, on every topic without a policy of its own"),
		number("broker.brokerDeduplicationEntriesInterval", &b.DedupSnapshotEntries, 1000, 1, 1_000_000, "entries between two snapshots of deduplication"),
		duration("broker.brokerDeduplicationProducerInactivityTimeoutMinutes", &b.DedupProducerInactivity, minutes, 7*24*60, 1, "how long a producer that is gone is remembered (Apache: 360)"),
		number("broker.maxUnackedMessagesPerConsumer", &b.MaxUnackedPerConsumer, 50_000, 0, 1<<31, "messages a shared consumer may hold unacknowledged; 0: no limit"),
		number("broker.maxUnackedMessagesPerSubscription", &b.MaxUnackedPerSubscription, 200_000, 0, 1<<31, "the same for all consumers of a shared subscription together"),
		megabytes("broker.maxMessagePublishBufferSizeInMB", &b.PublishBuffer, 128, 1, "bytes of messages received and not yet acknowledged, over all connections; beyond it reading pauses"),
		duration("broker.defaultRetentionTimeInMinutes", &b.RetentionTime, minutes, 0, -1, "how long consumed messages are kept; -1: for ever"),
		megabytes("broker.defaultRetentionSizeInMB", &b.RetentionSize, 0, -1, "how many bytes of consumed messages a topic keeps; -1: any"),
		megabytes("broker.managedLedgerCacheSizeMB", &b.CacheSize, 32, 0, "memory for messages just published, so that consumers at the tail need no read"),
		number("broker.managedLedgerDefaultEnsembleSize", &b.Ensemble, 0, 0, 100, "bookies a ledger lies on; 0: as many as there are, at most 3"),
		number("broker.managedLedgerDefaultWriteQuorum", &b.WriteQuorum, 0, 0, 100, "copies of each entry; 0: the ensemble"),
		number("broker.managedLedgerDefaultAckQuorum", &b.AckQuorum, 0, 0, 100, "copies on disk before a message is acknowledged; 0: a majority of the write quorum"),
		number("broker.managedLedgerMaxEntriesPerLedger", &b.MaxEntriesPerLedger, 50_000, 1, 1<<31, "a ledger is ended at this many entries"),
		megabytes("broker.managedLedgerMaxSizePerLedgerMbytes", &b.MaxSizePerLedger, 2048, 1, "or at this size"),
		duration("broker.managedLedgerMinLedgerRolloverTimeMinutes", &b.MinRollover, minutes, 0, 0, "but not before this time (Apache: 10; more than 0 keeps consumed data on small machines)"),
		duration("broker.managedLedgerMaxLedgerRolloverTimeMinutes", &b.MaxRollover, minutes, 240, 1, "and at the latest after this time"),
		duration("broker.managedLedgerCursorPositionFlushSeconds", &b.CursorFlush, seconds, 1, 1, "how often changed subscription positions are written (Apache: 60)"),
		number("broker.defaultNumberOfNamespaceBundles", &b.NamespaceBundles, 4, 1, 1024, "bundles of a new namespace"),

		megabytes("bookie.segmentSizeMB", &k.SegmentSize, 256, 1, "size of one file of the log"),
		megabytes("bookie.diskReserveMB", &k.DiskReserve, 256, 1, "disk space that messages may not use, so that fences, deletions and metadata still work on a full disk"),
		megabytes("bookie.queueSizeMB", &k.QueueSize, 64, 1, "bytes that may wait for the disk; beyond it adds are refused"),
		duration("bookie.gcWaitTime", &k.GarbageCollect, milliseconds, 60_000, 1000, "how often the log looks for ledgers that metadata no longer knows"),

		megabytes("http.maxUploadMB", &h.MaxUpload, 64, 1, "largest upload over REST, a WASM file for example"),
		list("http.allowedOrigins", &h.Origins, "web pages (scheme://host:port) that may call REST from a browser; none by default"),
		list("http.allowedHosts", &h.Hosts, "further names under which REST may be called; the address listened on and the advertised host always may"),

		list("worker.secretEnvironment", &w.SecretEnv, "environment variables that secret references (env:NAME) may name; NAME* allows a prefix"),
		list("worker.secretDirectories", &w.SecretDirs, "directories below which secret references (file:/path) may lie"),
		megabytes("worker.guestMemoryMB", &w.GuestMemory, 64, 1, "memory a guest may use unless its function says otherwise"),
		duration("worker.guestDeadlineMs", &w.GuestDeadline, milliseconds, 5000, 1, "time one call into a guest may take unless its function says otherwise"),
		number("worker.maxMessageRetries", &w.MaxAttempts, 5, 1, 1000, "attempts before a message is parked unless the function says otherwise"),
		text("worker.cacheDirectory", &w.CacheDir, "", "where compiled modules are kept; empty: below the data directory"),
		megabytes("worker.instanceLogSizeMB", &w.LogSize, 10, 1, "log file kept for each instance, twice"),

		choice("log.level", &c.Log.Level, "info", []string{"debug", "info", "warn", "error"}, "least important lines that the process logs; debug also says when it enters and leaves the phases of its storage"),
	}
}

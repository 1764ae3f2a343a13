package fault

// Reaching the server.
var (
	PostgresUnreachable = &Fault{
		Code: "STB-POSTGRES-0001", Title: "Postgres does not answer",
		Cause: "The server is down, starts or stops, or the network between is cut. The source tries again by itself and continues where it was; meanwhile its slot keeps the WAL it still needs.",
		Fix:   "Nothing, when the server comes back. Otherwise correct host and port, or let the worker's machine reach them.",
	}
	PostgresLogin = &Fault{
		Code: "STB-POSTGRES-0002", Title: "Postgres refuses the login",
		Cause: "The password is wrong, the role does not exist or may not log in, or pg_hba.conf has no line for this role, database and address.",
		Fix:   "Correct user and password, or on the server: ALTER ROLE name LOGIN PASSWORD '…'; and a line in pg_hba.conf for host connections to the database.",
	}
	PostgresDatabase = &Fault{
		Code: "STB-POSTGRES-0003", Title: "no such database",
		Cause: "The server has no database of this name.",
		Fix:   "Correct the key database. SELECT datname FROM pg_database lists the names.",
	}
	PostgresReplicationRight = &Fault{
		Code: "STB-POSTGRES-0004", Title: "the role may not replicate",
		Cause: "Reading a replication slot needs the REPLICATION attribute (on Amazon RDS the role rds_replication), which only an administrator can give.",
		Fix:   "ALTER ROLE name REPLICATION; (on Amazon RDS: GRANT rds_replication TO name;)",
	}
	PostgresVersion = &Fault{
		Code: "STB-POSTGRES-0005", Title: "this Postgres is too old",
		Cause: "The source needs Postgres 15 or newer.",
		Fix:   "Upgrade the server.",
	}
	PostgresStandby = &Fault{
		Code: "STB-POSTGRES-0006", Title: "the server is a standby",
		Cause: "Slot and publication live on the primary. After a failover this passes as soon as the standby is promoted.",
		Fix:   "Give the address of the primary, or all addresses separated by commas in the key host.",
	}
	PostgresServer = &Fault{
		Code: "STB-POSTGRES-0007", Title: "Postgres answered with an error",
		Cause: "The server refused or broke off what the source asked for; its own words follow. The source tries again.",
		Fix:   "Read the server's message and its log.",
	}
	PostgresTLS = &Fault{
		Code: "STB-POSTGRES-0008", Title: "TLS cannot be set up",
		Cause: "A certificate or key is not readable PEM, or the server's certificate is not accepted by tls.mode and tls.rootCert.",
		Fix:   "Correct tls.mode, tls.rootCert, tls.cert, tls.key. tls.rootCert takes file:/path of the authority that signed the server's certificate.",
	}
	PostgresStream = &Fault{
		Code: "STB-POSTGRES-0009", Title: "the replication stream cannot be read",
		Cause: "What came is not what the protocol says: something between rewrites it, or the server is not Postgres. The source connects again.",
		Fix:   "Connect to the server itself, not through a pooler or proxy.",
	}
)

// What the server must be set up with.
var (
	PostgresWalLevel = &Fault{
		Code: "STB-POSTGRES-0020", Title: "wal_level is not logical",
		Cause: "Postgres writes into its log only what replicas need; row changes cannot be read from it.",
		Fix:   "ALTER SYSTEM SET wal_level = 'logical'; then restart Postgres. (Amazon RDS: rds.logical_replication = 1 in the parameter group; Cloud SQL: the flag cloudsql.logical_decoding.)",
	}
	PostgresNoFreeSlot = &Fault{
		Code: "STB-POSTGRES-0021", Title: "no replication slot or WAL sender is free",
		Cause: "All of max_replication_slots or max_wal_senders are in use.",
		Fix:   "Drop slots that nobody reads (SELECT slot_name FROM pg_replication_slots WHERE NOT active), or ALTER SYSTEM SET max_replication_slots = 20; ALTER SYSTEM SET max_wal_senders = 20; then restart Postgres.",
	}
	PostgresTable = &Fault{
		Code: "STB-POSTGRES-0022", Title: "the outbox table cannot be read",
		Cause: "There is no such table, or it is not one whose rows Postgres replicates (a view, unlogged, temporary).",
		Fix:   "Correct the key table (schema.name), or create the table.",
	}
	PostgresColumn = &Fault{
		Code: "STB-POSTGRES-0023", Title: "the outbox table lacks a column, or it has another type",
		Cause: "A column that the configuration names is missing, or cannot be what it is used for.",
		Fix:   "Name the table's own columns under the key columns, or add the column.",
	}
	PostgresPublication = &Fault{
		Code: "STB-POSTGRES-0024", Title: "there is no such publication",
		Cause: "The publication does not exist and the source may not or shall not create it.",
		Fix:   "CREATE PUBLICATION name FOR TABLE schema.table WITH (publish = 'insert'); as owner of the table.",
	}
	PostgresPublicationTable = &Fault{
		Code: "STB-POSTGRES-0025", Title: "the publication does not hold what the source needs",
		Cause: "The publication is without the outbox table, without inserts, leaves out a column, or publishes a partitioned table under its partitions' names. Rows would silently never come.",
		Fix:   "ALTER PUBLICATION name ADD TABLE schema.table;",
	}
	PostgresPublicationGap = &Fault{
		Code: "STB-POSTGRES-0026", Title: "the publication did not exist when rows were committed",
		Cause: "Postgres decodes a row with the publications of its time. It was dropped, or is younger than the slot, so rows between are skipped by the server. The source stops before it would pass over them.",
		Fix:   "Create the publication again; then either accept that rows were lost with acceptGapAfter, or insert them again afterwards.",
	}
	PostgresReplicaIdentity = &Fault{
		Code: "STB-POSTGRES-0027", Title: "Postgres will refuse to update or delete outbox rows",
		Cause: "The publication also publishes updates or deletes, and the table has no replica identity. Postgres then refuses these statements of the application.",
		Fix:   "ALTER PUBLICATION name SET (publish = 'insert'); or give the table a primary key.",
	}
	PostgresSynchronous = &Fault{
		Code: "STB-POSTGRES-0028", Title: "the source would be a synchronous standby",
		Cause: "synchronous_standby_names matches the source's application_name, so commits of the whole server would wait for it.",
		Fix:   "Name the real standbys in synchronous_standby_names, or set another applicationName.",
	}
)

// The slot and the position.
var (
	PostgresSlot = &Fault{
		Code: "STB-POSTGRES-0040", Title: "there is no such replication slot",
		Cause: "The slot does not exist and createSlot is false.",
		Fix:   "SELECT pg_create_logical_replication_slot('name', 'pgoutput'); or createSlot: true.",
	}
	PostgresSlotDropped = &Fault{
		Code: "STB-POSTGRES-0041", Title: "the replication slot was dropped",
		Cause: "The source has a position but its slot is gone, and with it the promise that no row is missing since. The source does not go on silently.",
		Fix:   "Find out which rows are missing (created after the position). Then set acceptGapAfter to the position that is named: a new slot is made and the source goes on from now.",
	}
	PostgresSlotLost = &Fault{
		Code: "STB-POSTGRES-0042", Title: "the replication slot is lost",
		Cause: "Postgres removed WAL that the slot still needed (max_slot_wal_keep_size), or invalidated the slot. Rows after the position cannot be read any more.",
		Fix:   "SELECT pg_drop_replication_slot('name'); then set acceptGapAfter to the position that is named, and insert the missing rows again if they matter.",
	}
	PostgresSlotAhead = &Fault{
		Code: "STB-POSTGRES-0043", Title: "the replication slot is ahead of the source",
		Cause: "Somebody else read from this slot: what it confirmed was never given to this source.",
		Fix:   "Give every source a slot of its own. To go on from the slot's place and accept the gap, set acceptGapAfter to the position that is named.",
	}
	PostgresSlotActive = &Fault{
		Code: "STB-POSTGRES-0044", Title: "the replication slot is in use",
		Cause: "Another connection reads this slot: a second source on the same slot, or this source's last connection that the server has not yet given up.",
		Fix:   "Give every source a slot of its own (key slot). A dead connection ends by itself after wal_sender_timeout, or at once with SELECT pg_terminate_backend(pid).",
	}
	PostgresSlotForeign = &Fault{
		Code: "STB-POSTGRES-0045", Title: "the replication slot is not of this kind",
		Cause: "A slot of this name exists for another database, another output plugin, or physical replication.",
		Fix:   "Choose another name with the key slot.",
	}
	PostgresSlotWaits = &Fault{
		Code: "STB-POSTGRES-0046", Title: "the replication slot waits for open transactions",
		Cause: "A new slot begins where all transactions that were open at its creation have ended. One of them is still open.",
		Fix:   "SELECT pid, xact_start, state, left(query, 60) FROM pg_stat_activity WHERE xact_start < now() - interval '1 minute'; and end what is forgotten.",
	}
	PostgresOtherSystem = &Fault{
		Code: "STB-POSTGRES-0047", Title: "this is another Postgres",
		Cause: "The server's system identifier is not the one the source's position was taken on: a restored copy, a new cluster, or a wrong address. Positions of one mean nothing on the other.",
		Fix:   "Correct the address. If the database really moved, set acceptGapAfter to the position that is named: the source then starts from now on the new server.",
	}
	PostgresTimeline = &Fault{
		Code: "STB-POSTGRES-0048", Title: "the server has changed its timeline",
		Cause: "A standby was promoted, or the server was restored to a point in time. Rows that the source delivered may not exist on this timeline, and rows may be missing.",
		Fix:   "If it is the promoted primary, set the key timeline to the number that is named: the source then checks that its position lies before the switch, and goes on without a gap.",
	}
	PostgresCheckpoint = &Fault{
		Code: "STB-POSTGRES-0049", Title: "the source's stored position cannot be used",
		Cause: "It was written by a newer version of Strobe, belongs to another slot, or is damaged.",
		Fix:   "Run the newer version again, or set the key slot back. To start anew, delete the source and create it under another name.",
	}
	PostgresPosition = &Fault{
		Code: "STB-POSTGRES-0050", Title: "the position could not be stored",
		Cause: "The store of positions did not take it, so nothing was confirmed to Postgres. The source reads again from the last stored position; deduplication drops what is there already.",
		Fix:   "Nothing when it passes; otherwise look at the worker's and the broker's log.",
	}
)

// Configuration and rows.
var (
	PostgresMode = &Fault{
		Code: "STB-POSTGRES-0060", Title: "unknown mode",
		Cause: "The key mode names how changes become messages. There is one mode: outbox.",
		Fix:   "mode: outbox",
	}
	PostgresSetting = &Fault{
		Code: "STB-POSTGRES-0061", Title: "a setting is not usable",
		Cause: "The value has the right type, but Postgres or Strobe cannot take it.",
		Fix:   "Correct the key that is named. `strobe connectors describe postgres` explains each.",
	}
	PostgresSecretInDSN = &Fault{
		Code: "STB-POSTGRES-0062", Title: "the dsn holds a password",
		Cause: "Configurations are stored and shown; secrets are only ever referred to.",
		Fix:   "Take the password out of dsn and write password: env:NAME or password: file:/path.",
	}
	PostgresSecret = &Fault{
		Code: "STB-POSTGRES-0063", Title: "a secret cannot be read",
		Cause: "The variable or file that a reference names is not there, is empty, or is not on the worker's allow-list.",
		Fix:   "Set it where the worker runs, and allow it with worker.secretEnvironment or worker.secretDirectories.",
	}
	PostgresTopicName = &Fault{
		Code: "STB-POSTGRES-0070", Title: "the row's topic is no topic name",
		Cause: "The routing rule and the row's routing column make a name that no topic can have. The row is parked: neither sent nor renamed.",
		Fix:   "Correct the value where the application writes it, or the key topic.",
	}
	PostgresRowSize = &Fault{
		Code: "STB-POSTGRES-0071", Title: "the row is too large",
		Cause: "Rows above 32 MiB are not taken into memory. The row is parked without its payload.",
		Fix:   "Write large objects elsewhere and put a reference into the outbox.",
	}
	PostgresRow = &Fault{
		Code: "STB-POSTGRES-0072", Title: "the row cannot be made a message",
		Cause: "A column that the message needs is empty or not readable. The row is parked.",
		Fix:   "Correct what the application writes into the column.",
	}
)

// postgresFaults is the postgres room's part of the table.
var postgresFaults = []*Fault{
	PostgresUnreachable, PostgresLogin, PostgresDatabase, PostgresReplicationRight, PostgresVersion, PostgresStandby, PostgresServer,
	PostgresTLS, PostgresStream,
	PostgresWalLevel, PostgresNoFreeSlot, PostgresTable, PostgresColumn, PostgresPublication, PostgresPublicationTable, PostgresPublicationGap,
	PostgresReplicaIdentity, PostgresSynchronous,
	PostgresSlot, PostgresSlotDropped, PostgresSlotLost, PostgresSlotAhead, PostgresSlotActive, PostgresSlotForeign, PostgresSlotWaits,
	PostgresOtherSystem, PostgresTimeline, PostgresCheckpoint, PostgresPosition,
	PostgresMode, PostgresSetting, PostgresSecretInDSN, PostgresSecret, PostgresTopicName, PostgresRowSize, PostgresRow,
}

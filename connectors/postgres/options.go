package postgres

import "github.com/strobemq/strobe/connectors"

// options is what a configuration may hold; `strobe connectors describe postgres` prints it.
var options = []connectors.Option{
	{Key: "mode", Type: "string", Required: true, Help: "How changes become messages: outbox, every row inserted into one table is one message."},

	{Key: "host", Type: "string", Default: "127.0.0.1", Help: "Address of the server; several, separated by commas, when the primary may move."},
	{Key: "port", Type: "int", Default: "5432", Help: "Port of the server."},
	{Key: "database", Type: "string", Help: "Database of the outbox table; required unless dsn has it."},
	{Key: "user", Type: "string", Help: "Role to log in as, with the right to replicate; required unless dsn has it."},
	{Key: "password", Type: "secret", Help: "Reference to the role's password: env:NAME or file:/path."},
	{Key: "dsn", Type: "string", Help: "Instead of host, port, database, user and tls.mode: postgres://user@host:port/database?sslmode=require, without a password."},
	{Key: "tls.mode", Type: "string", Default: "prefer", Help: "disable, prefer, require, verify-ca or verify-full, as sslmode of Postgres' own tools."},
	{Key: "tls.rootCert", Type: "secret", Help: "Reference to the authorities (PEM) that may have signed the server's certificate; without it the system's."},
	{Key: "tls.cert", Type: "secret", Help: "Reference to the client's certificate (PEM)."},
	{Key: "tls.key", Type: "secret", Help: "Reference to the client's private key (PEM)."},
	{Key: "applicationName", Type: "string", Help: "Name of the connection in pg_stat_activity; default strobe tenant/namespace/name."},

	{Key: "table", Type: "string", Default: "public.outboxevent", Help: "The outbox table as schema.name, written as in the catalog (quotes are not needed)."},
	{Key: "columns.id", Type: "string", Default: "id", Help: "Column with the event's id; it becomes the property id."},
	{Key: "columns.aggregateType", Type: "string", Default: "aggregatetype", Help: "Column that the topic is made from."},
	{Key: "columns.aggregateId", Type: "string", Default: "aggregateid", Help: "Column that becomes the message key."},
	{Key: "columns.payload", Type: "string", Default: "payload", Help: "Column that becomes the message, its text as it is; bytea as bytes."},
	{Key: "columns.timestamp", Type: "string", Help: "Column (timestamp, timestamptz, date, or integer in ms) that becomes the event time; default is the transaction's commit time."},
	{Key: "headers", Type: "list", Help: "Further columns that become properties: column or column:name."},
	{Key: "topic", Type: "string", Default: "outbox.event." + placeholder, Help: "Topic of a row; " + placeholder + " stands for columns.aggregateType. Within the source's namespace unless it begins with persistent://tenant/namespace/."},

	{Key: "publication", Type: "string", Help: "Publication that holds the table; default strobe_ and the source's name."},
	{Key: "createPublication", Type: "bool", Default: "true", Help: "Create the publication when it is missing."},
	{Key: "slot", Type: "string", Help: "Replication slot, of this source alone; default strobe_ and the source's name."},
	{Key: "createSlot", Type: "bool", Default: "true", Help: "Create the slot when it is missing and the source has no position yet."},
	{Key: "failover", Type: "bool", Default: "false", Help: "Create the slot as a failover slot, which standbys keep up to date (Postgres 17 and newer)."},

	{Key: "heartbeat.interval", Type: "duration", Default: "10s", Help: "How often an idle source confirms that it needs no older WAL, and looks after its slot and publication."},
	{Key: "heartbeat.query", Type: "string", Help: "Statement to run at every heartbeat, for servers that keep WAL of a database in which nothing is written."},

	{Key: "timeline", Type: "int", Help: "After a failover: the number of the new timeline, by which a person confirms that the new primary is the right one."},
	{Key: "acceptGapAfter", Type: "string", Help: "After a loss: the position (LSN) after which a person accepts that rows are missing."},
}

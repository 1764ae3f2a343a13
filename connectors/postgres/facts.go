package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// facts is what the server says about everything that a source needs, read in one statement.
type facts struct {
	Version          int    `json:"version"` // 180004
	VersionText      string `json:"versionText"`
	Database         string `json:"database"`
	Role             string `json:"role"`
	WalLevel         string `json:"walLevel"`
	Slots            int    `json:"slots"`
	MaxSlots         int    `json:"maxSlots"`
	SenderTimeout    int64  `json:"senderTimeout"` // ms; 0: none
	Standby          bool   `json:"standby"`
	SynchronousNames string `json:"synchronousNames"`
	MayCreate        bool   `json:"mayCreate"` // in the database: publications

	Table       *tableFacts       `json:"table"`
	Publication *publicationFacts `json:"publication"`
	Slot        *slotFacts        `json:"slot"`
}

type tableFacts struct {
	OID         uint32        `json:"oid"`
	Kind        string        `json:"kind"`        // relkind
	Persistence string        `json:"persistence"` // relpersistence
	Identity    string        `json:"identity"`    // relreplident
	PrimaryKey  bool          `json:"primaryKey"`
	Owner       bool          `json:"owner"` // the role may act as owner
	Columns     []columnFacts `json:"columns"`
}

type columnFacts struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Base uint32 `json:"base"` // the type's OID; of a domain, the type's below it
}

func (t *tableFacts) column(name string) (columnFacts, bool) {
	for _, c := range t.Columns {
		if c.Name == name {
			return c, true
		}
	}
	return columnFacts{}, false
}

type publicationFacts struct {
	Insert  bool     `json:"insert"`
	Update  bool     `json:"update"`
	Delete  bool     `json:"delete"`
	ViaRoot bool     `json:"viaRoot"`
	Holds   bool     `json:"holds"`   // the table, under its own name
	Columns []string `json:"columns"` // of the table
}

type slotFacts struct {
	Plugin      string `json:"plugin"`
	Type        string `json:"type"`
	Database    string `json:"database"`
	Temporary   bool   `json:"temporary"`
	Active      bool   `json:"active"`
	PID         int    `json:"pid"`
	Application string `json:"application"` // of the connection that reads it; empty when the role may not see it
	WalStatus   string `json:"walStatus"`
	Reason      string `json:"reason"` // why it was invalidated
	Confirmed   string `json:"confirmed"`
}

// baseType is the OID of the type below a domain (or the type itself) as an SQL expression.
const baseType = `(with recursive up as (
	select oid, typtype, typbasetype from pg_type where oid = %s
	union all select t.oid, t.typtype, t.typbasetype from up join pg_type t on t.oid = up.typbasetype where up.typtype = 'd')
	select oid::bigint from up where typtype <> 'd')`

var factsSQL = `select json_build_object(
	'version', current_setting('server_version_num')::int, 'versionText', current_setting('server_version'),
	'database', current_database(), 'role', current_user,
	'walLevel', current_setting('wal_level'),
	'slots', (select count(*) from pg_replication_slots), 'maxSlots', current_setting('max_replication_slots')::int,
	'senderTimeout', (select setting::bigint from pg_settings where name = 'wal_sender_timeout'),
	'standby', pg_is_in_recovery(), 'synchronousNames', current_setting('synchronous_standby_names'),
	'mayCreate', has_database_privilege(current_database(), 'CREATE'),
	'table', (select json_build_object('oid', c.oid::bigint, 'kind', c.relkind, 'persistence', c.relpersistence, 'identity', c.relreplident,
			'primaryKey', exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary),
			'owner', pg_has_role(c.relowner, 'USAGE'),
			'columns', (select json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
				'base', ` + fmt.Sprintf(baseType, "a.atttypid") + `) order by a.attnum)
				from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped))
		from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $schema and c.relname = $table),
	'publication', (select json_build_object('insert', p.pubinsert, 'update', p.pubupdate, 'delete', p.pubdelete, 'viaRoot', p.pubviaroot,
			'holds', t.tablename is not null, 'columns', array_to_json(t.attnames))
		from pg_publication p left join pg_publication_tables t on t.pubname = p.pubname and t.schemaname = $schema and t.tablename = $table
		where p.pubname = $publication),
	'slot', (select json_build_object('plugin', s.plugin, 'type', s.slot_type, 'database', s.database, 'temporary', s.temporary,
			'active', s.active, 'pid', s.active_pid, 'application', (select a.application_name from pg_stat_activity a where a.pid = s.active_pid),
			'walStatus', s.wal_status, 'reason', to_jsonb(s)->>'invalidation_reason', 'confirmed', s.confirmed_flush_lsn::text)
		from pg_replication_slots s where s.slot_name = $slot))`

// gather reads the facts about shape and slot.
func gather(ctx context.Context, conn *pgconn.PgConn, s shape, slot string) (facts, error) {
	sql := strings.NewReplacer("$schema", literal(s.Table.Schema), "$table", literal(s.Table.Name),
		"$publication", literal(s.Publication), "$slot", literal(slot)).Replace(factsSQL)
	rows, err := query(ctx, conn, sql)
	if err != nil {
		return facts{}, err
	}
	var f facts
	if len(rows) != 1 || len(rows[0]) != 1 || rows[0][0] == nil {
		return facts{}, fmt.Errorf("%d rows of facts", len(rows))
	}
	if err := json.Unmarshal([]byte(*rows[0][0]), &f); err != nil {
		return facts{}, fmt.Errorf("facts: %w", err)
	}
	return f, nil
}

// baseTypeOf asks what type lies below a domain.
func baseTypeOf(ctx context.Context, conn *pgconn.PgConn, oid uint32) (uint32, error) {
	rows, err := query(ctx, conn, "select "+fmt.Sprintf(baseType, fmt.Sprint(oid)))
	if err != nil {
		return 0, err
	}
	if len(rows) != 1 || rows[0][0] == nil {
		return oid, nil // the type is gone; its rows are text
	}
	var base uint32
	_, err = fmt.Sscan(*rows[0][0], &base)
	return base, err
}

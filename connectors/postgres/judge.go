package postgres

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pglogrepl"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/internal/fault"
)

// minVersion is the oldest server: pg_publication_tables tells columns and filters since then.
const minVersion = 150000

// identity is which server this is.
type identity struct {
	system   string
	timeline int32
	flushed  pglogrepl.LSN // WAL that is on the server's disk
}

// situation is all that decides whether the source can run: the server's facts, the configuration and the stored position.
type situation struct {
	config      config
	shape       shape // the one that will be in force; config.shape, or the last one's while it drains
	facts       facts
	ident       identity
	switchPoint pglogrepl.LSN // where the server's timeline began; 0 when it was not asked for
	last        *checkpoint   // nil: the source never ran
}

// verdict is what judge found out.
type verdict struct {
	blocking []connectors.Finding // the source cannot run
	advice   []connectors.Finding // it can, but somebody will be sorry

	createPublication bool
	createSlot        bool
	// skipTo says that the position is not that of the checkpoint but the slot's, because a person accepted the gap between.
	skipTo bool
}

func (v *verdict) block(class connectors.Class, path string, err *fault.Error) {
	v.blocking = append(v.blocking, connectors.Finding{Class: class, Path: path, Err: err})
}

func (v *verdict) advise(path string, err *fault.Error) {
	v.advice = append(v.advice, connectors.Finding{Class: connectors.BadConfig, Path: path, Err: err})
}

// err is all that blocks, the worst first; nil when nothing does.
func (v *verdict) err() error {
	worst := []connectors.Class{connectors.Fatal, connectors.BadConfig, connectors.NoPermission, connectors.Retry}
	list := slices.Clone(v.blocking)
	slices.SortStableFunc(list, func(a, b connectors.Finding) int { return slices.Index(worst, a.Class) - slices.Index(worst, b.Class) })
	return connectors.Join(list)
}

// judge decides from what is known, without asking the server anything more.
func judge(s situation) verdict {
	var v verdict
	f := s.facts
	if f.Version < minVersion {
		v.block(connectors.BadConfig, "", fault.PostgresVersion.New("version %s", f.VersionText))
	}
	if f.Standby {
		v.block(connectors.Retry, "host", fault.PostgresStandby.New("%s", s.config.server))
	}
	if f.WalLevel != "logical" {
		v.block(connectors.BadConfig, "", fault.PostgresWalLevel.New("wal_level is %s", f.WalLevel))
	}
	if matchesSynchronous(f.SynchronousNames, s.config.server.applicationName) {
		v.advise("applicationName", fault.PostgresSynchronous.New("synchronous_standby_names = %s, applicationName = %s", literal(f.SynchronousNames), literal(s.config.server.applicationName)))
	}
	s.judgeTable(&v)
	s.judgePublication(&v)
	s.judgeServer(&v)
	s.judgeSlot(&v)
	return v
}

func (s situation) judgeTable(v *verdict) {
	t, name := s.facts.Table, s.shape.Table
	if t == nil {
		v.block(connectors.BadConfig, "table", fault.PostgresTable.New("%s does not exist in database %s", name, s.facts.Database).WithFix("%s", createTable(name, s.shape)))
		return
	}
	switch {
	case t.Kind != "r" && t.Kind != "p":
		v.block(connectors.BadConfig, "table", fault.PostgresTable.New("%s is no table", name))
	case t.Persistence != "p":
		v.block(connectors.BadConfig, "table", fault.PostgresTable.New("%s is unlogged or temporary", name).WithFix("ALTER TABLE %s SET LOGGED;", name.sql()))
	}
	for _, need := range s.shape.names() {
		if _, ok := t.column(need); !ok {
			var have []string
			for _, c := range t.Columns {
				have = append(have, c.Name)
			}
			v.block(connectors.BadConfig, s.shape.path(need), fault.PostgresColumn.New("%s has no column %s%s; it has %s", name, need,
				fault.DidYouMean(need, have), strings.Join(have, ", ")))
		}
	}
	if c, ok := t.column(s.shape.Columns.Timestamp); ok && !isTime(c.Base) {
		v.block(connectors.BadConfig, "columns.timestamp", fault.PostgresColumn.New("%s.%s is %s, not a timestamp, date or integer", name, c.Name, c.Type))
	}
}

// path is the key that names a column.
func (s shape) path(column string) string {
	switch column {
	case s.Columns.ID:
		return "columns.id"
	case s.Columns.AggregateType:
		return "columns.aggregateType"
	case s.Columns.AggregateID:
		return "columns.aggregateId"
	case s.Columns.Payload:
		return "columns.payload"
	case s.Columns.Timestamp:
		return "columns.timestamp"
	}
	return "headers"
}

// createTable is a statement for an outbox table with the configured names, as a suggestion.
func createTable(t table, s shape) string {
	return fmt.Sprintf("CREATE TABLE %s (%s uuid PRIMARY KEY, %s varchar(255) NOT NULL, %s varchar(255) NOT NULL, type varchar(255) NOT NULL, %s jsonb);",
		t.sql(), identifier(s.Columns.ID), identifier(s.Columns.AggregateType), identifier(s.Columns.AggregateID), identifier(s.Columns.Payload))
}

// createPublication is the statement that makes the publication the source needs.
func createPublicationSQL(s shape, partitioned bool) string {
	root := ""
	if partitioned {
		root = ", publish_via_partition_root = true"
	}
	return fmt.Sprintf("CREATE PUBLICATION %s FOR TABLE %s WITH (publish = 'insert'%s);", identifier(s.Publication), s.Table.sql(), root)
}

func (s situation) judgePublication(v *verdict) {
	p, t, name := s.facts.Publication, s.facts.Table, s.shape.Publication
	if p == nil {
		create := createPublicationSQL(s.shape, t != nil && t.Kind == "p")
		switch {
		case t == nil: // what is to be published comes first
		case !s.config.createPublication:
			v.block(connectors.BadConfig, "publication", fault.PostgresPublication.New("%s, and createPublication is false", name).WithFix("%s", create))
		case !s.facts.MayCreate || !t.Owner:
			v.block(connectors.NoPermission, "publication", fault.PostgresPublication.New("%s, and role %s may not create it: that takes CREATE on the database and ownership of %s",
				name, s.facts.Role, s.shape.Table).WithFix("%s -- as owner of the table", create))
		default:
			v.createPublication = true
		}
		return
	}
	alter := "ALTER PUBLICATION " + identifier(name)
	if !p.Insert {
		v.block(connectors.BadConfig, "publication", fault.PostgresPublicationTable.New("%s does not publish inserts", name).WithFix("%s SET (publish = 'insert');", alter))
	}
	if t == nil {
		return
	}
	switch {
	case !p.Holds && t.Kind == "p" && !p.ViaRoot:
		v.block(connectors.BadConfig, "publication", fault.PostgresPublicationTable.New("%s publishes the partitioned table %s under its partitions' names, or not at all", name, s.shape.Table).
			WithFix("%s SET (publish_via_partition_root = true);\n%[1]s ADD TABLE %[2]s; -- if it is not in it", alter, s.shape.Table.sql()))
	case !p.Holds:
		v.block(connectors.BadConfig, "publication", fault.PostgresPublicationTable.New("%s is without the table %s", name, s.shape.Table).
			WithFix("%s ADD TABLE %s;", alter, s.shape.Table.sql()))
	default:
		var left []string
		for _, need := range s.shape.names() {
			if _, ok := t.column(need); ok && !slices.Contains(p.Columns, need) {
				left = append(left, need)
			}
		}
		if len(left) > 0 {
			v.block(connectors.BadConfig, s.shape.path(left[0]), fault.PostgresPublicationTable.New("%s leaves out of %s: %s", name, s.shape.Table, strings.Join(left, ", ")).
				WithFix("%s SET TABLE %s; -- without a list of columns; name the publication's other tables too", alter, s.shape.Table.sql()))
		}
	}
	if (p.Update || p.Delete) && p.Holds && (t.Identity == "n" || t.Identity == "d" && !t.PrimaryKey) {
		v.advise("publication", fault.PostgresReplicaIdentity.New("%s publishes updates or deletes and %s has no replica identity", name, s.shape.Table).
			WithFix("%s SET (publish = 'insert');", alter))
	}
}

// judgeServer compares which server this is with the one the position was taken on.
func (s situation) judgeServer(v *verdict) {
	last := s.last
	switch {
	case last == nil:
	case last.System != s.ident.system:
		s.gap(v, "", fault.PostgresOtherSystem.New("system identifier %s; the position %v was taken on %s", s.ident.system, last.LSN, last.System))
	case last.Timeline != s.ident.timeline && s.config.timeline != s.ident.timeline:
		s.gap(v, "timeline", fault.PostgresTimeline.New("timeline %d; the position %v was taken on timeline %d", s.ident.timeline, last.LSN, last.Timeline).
			WithFix("timeline: %d -- if this is the promoted primary", s.ident.timeline))
	case last.Timeline != s.ident.timeline && s.switchPoint < last.LSN:
		s.gap(v, "timeline", fault.PostgresTimeline.New("timeline %d began at %v, before the position %v: rows that were delivered are not on it, and others may be missing",
			s.ident.timeline, s.switchPoint, last.LSN).WithFix("acceptGapAfter: %v -- accepts that rows may be missing", last.LSN))
	}
}

// gap blocks unless a person accepted just this gap; then the position becomes the slot's.
func (s situation) gap(v *verdict, path string, err *fault.Error) {
	if s.last != nil && s.config.acceptGapAfter == s.last.LSN {
		v.skipTo = true
		return
	}
	if s.config.acceptGapAfter != 0 && s.last != nil {
		err.Detail += fmt.Sprintf(" (acceptGapAfter names %v)", s.config.acceptGapAfter)
	}
	v.block(connectors.Fatal, path, err)
}

func (s situation) judgeSlot(v *verdict) {
	slot, name, last := s.facts.Slot, s.config.slot, s.last
	accept := ""
	if last != nil {
		accept = fmt.Sprintf("acceptGapAfter: %v -- accepts that rows committed after it and before now are not sent", last.LSN)
	}
	if slot == nil {
		v.createSlot = true
		switch {
		case last != nil && last.System != s.ident.system && !v.skipTo: // said already, and why the slot is not here
		case last != nil && last.Slot != name && !v.skipTo:
			s.gap(v, "slot", s.otherSlot(accept))
		case last != nil && s.config.acceptGapAfter != last.LSN:
			s.gap(v, "slot", fault.PostgresSlotDropped.New("%s; the position is %v", name, last.LSN).WithFix("%s", accept))
		case !s.config.createSlot:
			v.block(connectors.BadConfig, "slot", fault.PostgresSlot.New("%s, and createSlot is false", name).
				WithFix("%s", s.createSlotSQL()+";"))
		case last != nil:
			v.skipTo = true
		}
		if s.facts.Slots >= s.facts.MaxSlots {
			v.block(connectors.Retry, "", fault.PostgresNoFreeSlot.New("%d of %d replication slots are in use", s.facts.Slots, s.facts.MaxSlots))
		}
		if s.config.failover && s.facts.Version < 170000 {
			v.block(connectors.BadConfig, "failover", fault.PostgresSetting.New("failover: Postgres %s has no failover slots; 17 has", s.facts.VersionText))
		}
		return
	}
	switch {
	case slot.Plugin != "pgoutput" || slot.Type != "logical" || slot.Database != s.facts.Database || slot.Temporary:
		v.block(connectors.BadConfig, "slot", fault.PostgresSlotForeign.New("%s is a %s slot of database %q with plugin %q", name, slot.Type, slot.Database, slot.Plugin))
		return
	case slot.WalStatus == "lost":
		v.block(connectors.Fatal, "slot", fault.PostgresSlotLost.New("%s%s", name, because(slot.Reason)).
			WithFix("SELECT pg_drop_replication_slot(%s);\n%s", literal(name), strings.TrimSpace(accept)))
		return
	}
	if slot.Active {
		s.judgeActive(v)
	}
	confirmed, err := parseLSN(slot.Confirmed)
	if err != nil {
		v.block(connectors.Retry, "slot", fault.PostgresSlotWaits.New("%s is still being made", name))
		return
	}
	if last != nil && last.Slot != name && !v.skipTo {
		s.gap(v, "slot", s.otherSlot(accept))
	} else if last != nil && confirmed > last.LSN && !v.skipTo {
		s.gap(v, "slot", fault.PostgresSlotAhead.New("%s has confirmed %v, the position is %v", name, confirmed, last.LSN).WithFix("%s", accept))
	}
}

func (s situation) otherSlot(accept string) *fault.Error {
	return fault.PostgresCheckpoint.New("the position %v belongs to slot %s, not to %s", s.last.LSN, s.last.Slot, s.config.slot).
		WithFix("slot: %s\n-- or %s", s.last.Slot, accept)
}

// judgeActive decides about a slot that another connection reads. Under this source's own name that is most likely its last connection,
// which the server has not given up yet.
func (s situation) judgeActive(v *verdict) {
	slot := s.facts.Slot
	class, who := connectors.Retry, "a connection that role "+s.facts.Role+" may not see"
	if slot.Application != "" {
		who = slot.Application
		if !strings.HasPrefix(s.config.server.applicationName, slot.Application) { // the server cuts names at 63 bytes
			class = connectors.BadConfig
		}
	}
	v.block(class, "slot", fault.PostgresSlotActive.New("%s is read by %s (pid %d)", s.config.slot, who, slot.PID).
		WithFix("slot: another_name -- if that is a second source\nSELECT pg_terminate_backend(%d); -- if it is a dead connection", slot.PID))
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

// createSlotSQL is the call that makes the slot.
func (s situation) createSlotSQL() string {
	if s.config.failover {
		return fmt.Sprintf("SELECT pg_create_logical_replication_slot(%s, 'pgoutput', false, false, true)", literal(s.config.slot))
	}
	return fmt.Sprintf("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", literal(s.config.slot))
}

// matchesSynchronous tells whether synchronous_standby_names ("a, b", "FIRST 1 (a, b)", "ANY 2 (*)") names application.
func matchesSynchronous(names, application string) bool {
	if i := strings.IndexByte(names, '('); i >= 0 {
		names = strings.TrimSuffix(strings.TrimSpace(names[i+1:]), ")")
	}
	for _, name := range strings.Split(names, ",") {
		name = strings.Trim(strings.TrimSpace(name), `"`)
		if name == "*" || name != "" && strings.EqualFold(name, application) {
			return true
		}
	}
	return false
}

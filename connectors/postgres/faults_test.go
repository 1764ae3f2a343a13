package postgres

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/connectors/connectortest"
	"github.com/strobemq/strobe/internal/fault"
)

// role makes a role of the server with a password of its own.
func (d *database) role(name, rights string) string {
	d.t.Helper()
	name = d.name[max(0, len(d.name)-40):] + "_" + name
	d.exec(fmt.Sprintf("create role %s login password 'secret' %s", identifier(name), rights))
	d.t.Cleanup(func() {
		d.server.Exec(context.Background(), "drop role "+identifier(name))
	})
	return name
}

// as is a configuration for a role whose password is right.
func (d *database) as(role string, changes map[string]any) (map[string]any, connectors.Env) {
	env := d.env(&connectortest.Store{})
	env.Secret = func(string) (string, error) { return "secret", nil }
	c := d.config(changes)
	c["user"] = role
	return c, env
}

func connectAs(t *testing.T, config map[string]any, env connectors.Env) error {
	t.Helper()
	s, err := NewSource(config, env)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return s.Connect(t.Context())
}

func TestLoginFaults(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	d.exec(outboxTable)
	env := d.env(&connectortest.Store{})
	wrong := env
	wrong.Secret = func(string) (string, error) { return "not it", nil }
	wants(t, connectAs(t, d.config(nil), wrong), fault.PostgresLogin, connectors.NoPermission, "PASSWORD")
	wants(t, connectAs(t, d.config(map[string]any{"user": "nobody"}), env), fault.PostgresLogin, connectors.NoPermission, "")
	wants(t, connectAs(t, d.config(map[string]any{"database": "nowhere"}), env), fault.PostgresDatabase, connectors.BadConfig, "pg_database")
	none := env
	none.Secret = func(ref string) (string, error) { return "", fmt.Errorf("%s is not allowed", ref) }
	wants(t, connectAs(t, d.config(nil), none), fault.PostgresSecret, connectors.BadConfig, "worker.secretEnvironment")
	wants(t, connectAs(t, d.config(map[string]any{"tls": map[string]any{"mode": "require"}}), env), fault.PostgresTLS, connectors.BadConfig, "tls.mode")

	config, as := d.as(d.role("reader", ""), nil)
	err := connectAs(t, config, as)
	wants(t, err, fault.PostgresReplicationRight, connectors.NoPermission, "ALTER ROLE "+identifier(config["user"].(string))+" REPLICATION;")
}

// Errors hold no secret, whatever goes wrong.
func TestErrorsHoldNoPassword(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	env := d.env(&connectortest.Store{})
	env.Secret = func(string) (string, error) { return "hunter2-x'\\", nil }
	for _, changes := range []map[string]any{nil, {"port": 1}, {"host": "no such host"}, {"tls": map[string]any{"mode": "verify-full"}}} {
		err := connectAs(t, d.config(changes), env)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v: %v", changes, err)
		}
	}
}

func TestServerThatIsNotThere(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	env := d.env(&connectortest.Store{})
	wants(t, connectAs(t, d.config(map[string]any{"port": 1}), env), fault.PostgresUnreachable, connectors.Retry, "host and port")
	// Somebody else answers there.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			c.Close()
		}
	}()
	if err := connectAs(t, d.config(map[string]any{"port": l.Addr().(*net.TCPAddr).Port}), env); connectors.ClassOf(err) != connectors.Retry || !fault.Has(err, fault.PostgresUnreachable) {
		t.Errorf("a server of another kind: %v", err)
	}
}

func TestTableFaults(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	d.exec(outboxTable, "create view seen as select * from outboxevent", "create unlogged table quick (like outboxevent including all)",
		"create table short (id int, aggregate_type text, aggregateid text, payload text, at interval)")
	for _, c := range []struct {
		changes map[string]any
		fault   *fault.Fault
		detail  string
		fix     string
	}{
		{map[string]any{"table": "public.nothing"}, fault.PostgresTable, "public.nothing does not exist", `CREATE TABLE "public"."nothing"`},
		{map[string]any{"table": "seen"}, fault.PostgresTable, "public.seen is no table", ""},
		{map[string]any{"table": "quick"}, fault.PostgresTable, "unlogged", `ALTER TABLE "public"."quick" SET LOGGED;`},
		{map[string]any{"table": "short"}, fault.PostgresColumn, "no column aggregatetype (did you mean aggregate_type?)", ""},
		{map[string]any{"columns": map[string]any{"timestamp": "type"}}, fault.PostgresColumn, "not a timestamp", ""},
		{map[string]any{"headers": []any{"tenant"}}, fault.PostgresColumn, "no column tenant", ""},
	} {
		err := connectAs(t, d.config(c.changes), d.env(&connectortest.Store{}))
		wants(t, err, c.fault, connectors.BadConfig, c.fix)
		if !strings.Contains(err.Error(), c.detail) {
			t.Errorf("%v: %v, want it to say %q", c.changes, err, c.detail)
		}
	}
	if n := d.ask("select count(*)::text from pg_replication_slots where database = current_database()"); n != "0" {
		t.Errorf("%s slots were made by sources that cannot run", n)
	}
	if n := d.ask("select count(*)::text from pg_publication"); n != "0" {
		t.Errorf("%s publications were made by sources that cannot run", n)
	}
}

func TestPublicationFaults(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	d.exec(outboxTable, "create table other (id int primary key)", "create table parted (like outboxevent) partition by list (type)", "create table part partition of parted default",
		"create publication without for table other",
		"create publication updates for table outboxevent with (publish = 'update')",
		"create publication narrow for table outboxevent (id, aggregatetype, aggregateid) with (publish = 'insert')",
		"create publication parts for table parted with (publish = 'insert')")
	for _, c := range []struct {
		changes map[string]any
		detail  string
		fix     string
	}{
		{map[string]any{"publication": "without"}, "without is without the table public.outboxevent", `ALTER PUBLICATION "without" ADD TABLE "public"."outboxevent";`},
		{map[string]any{"publication": "updates"}, "does not publish inserts", `ALTER PUBLICATION "updates" SET (publish = 'insert');`},
		{map[string]any{"publication": "narrow"}, "narrow leaves out of public.outboxevent: payload", `ALTER PUBLICATION "narrow" SET TABLE "public"."outboxevent";`},
		{map[string]any{"publication": "parts", "table": "parted"}, "under its partitions' names", `ALTER PUBLICATION "parts" SET (publish_via_partition_root = true);`},
	} {
		err := connectAs(t, d.config(c.changes), d.env(&connectortest.Store{}))
		wants(t, err, fault.PostgresPublicationTable, connectors.BadConfig, c.fix)
		if !strings.Contains(err.Error(), c.detail) {
			t.Errorf("%v: %v, want it to say %q", c.changes, err, c.detail)
		}
	}
	err := connectAs(t, d.config(map[string]any{"createPublication": false}), d.env(&connectortest.Store{}))
	wants(t, err, fault.PostgresPublication, connectors.BadConfig, `CREATE PUBLICATION "strobe_testpublicationfaults" FOR TABLE "public"."outboxevent" WITH (publish = 'insert');`)
	config, env := d.as(d.role("replica", "replication"), nil)
	wants(t, connectAs(t, config, env), fault.PostgresPublication, connectors.NoPermission, "as owner of the table")
}

func TestSlotFaults(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	d.exec(outboxTable, "select pg_create_physical_replication_slot('physical_"+d.name+"')")
	t.Cleanup(func() {
		shared.server.Exec(context.Background(), "select pg_drop_replication_slot('physical_"+d.name+"')", "select pg_drop_replication_slot('elsewhere_"+d.name+"')")
	})
	if err := shared.server.Exec(t.Context(), "select pg_create_logical_replication_slot('elsewhere_"+d.name+"', 'pgoutput')"); err != nil { // in the database postgres
		t.Fatal(err)
	}
	env := d.env(&connectortest.Store{})
	for _, slot := range []string{"physical_" + d.name, "elsewhere_" + d.name} {
		wants(t, connectAs(t, d.config(map[string]any{"slot": slot}), env), fault.PostgresSlotForeign, connectors.BadConfig, "slot")
	}
	wants(t, connectAs(t, d.config(map[string]any{"createSlot": false}), env), fault.PostgresSlot, connectors.BadConfig, "SELECT pg_create_logical_replication_slot('strobe_"+d.name+"', 'pgoutput');")
}

func TestTwoSourcesOnOneSlot(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	d.exec(outboxTable)
	s := d.start(&connectortest.Store{}, map[string]any{"slot": "both_" + d.name})
	env := d.env(&connectortest.Store{})
	env.Name = "second"
	err := connectAs(t, d.config(map[string]any{"slot": "both_" + d.name}), env)
	wants(t, err, fault.PostgresSlotActive, connectors.BadConfig, "slot: another_name")
	if want := "is read by strobe public/default/" + d.name; !strings.Contains(err.Error(), want) {
		t.Errorf("%v does not say that it %s", err, want)
	}
	// The same source once more is most likely its own dead connection.
	err = connectAs(t, d.config(map[string]any{"slot": "both_" + d.name}), d.env(&connectortest.Store{}))
	wants(t, err, fault.PostgresSlotActive, connectors.Retry, "pg_terminate_backend")
	d.exec(insert("a"))
	if g := read(t, s, 1)[0]; g.key != "a" {
		t.Errorf("the first source was disturbed: %+v", g)
	}
}

// Since Postgres 18 rows of a publication that is gone are left out with a warning; before, the stream broke. Either way the source stops
// before it passes over them.
func TestPublicationDroppedWhileRunning(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	d.exec(outboxTable)
	store := &connectortest.Store{}
	s := d.start(store, nil)
	d.exec(insert("a"))
	read(t, s, 1)
	d.exec("drop publication "+identifier("strobe_"+d.name), insert("lost"))
	_, err := s.Read(t.Context())
	wants(t, err, fault.PostgresPublicationGap, connectors.Fatal, "pg_replication_slot_advance")
	s.Close()
	// Started again, it makes the publication anew, and still does not pass over the row that was left out.
	s = d.start(store, nil)
	_, err = s.Read(t.Context())
	wants(t, err, fault.PostgresPublicationGap, connectors.Fatal, "acceptGapAfter")
	s.Close()
	// The fix, as printed.
	d.ask("select pg_replication_slot_advance(" + literal("strobe_"+d.name) + ", pg_current_wal_lsn())::text")
	err = d.source(store, nil).Connect(t.Context())
	wants(t, err, fault.PostgresSlotAhead, connectors.Fatal, "acceptGapAfter: "+stored(t, store).LSN.String())
	s = d.start(store, map[string]any{"acceptGapAfter": stored(t, store).LSN.String()})
	d.exec(insert("b"))
	if g := read(t, s, 1)[0]; g.key != "b" {
		t.Errorf("got %+v", g)
	}
}

func TestTableTakenOutWhileRunning(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	d.exec(outboxTable, "create table other (id int primary key)")
	s := d.start(&connectortest.Store{}, map[string]any{"heartbeat": map[string]any{"interval": "1s"}})
	p := identifier("strobe_" + d.name)
	d.exec("alter publication "+p+" add table other", "alter publication "+p+" drop table outboxevent")
	_, err := s.Read(t.Context())
	wants(t, err, fault.PostgresPublicationTable, connectors.BadConfig, "ALTER PUBLICATION "+p+` ADD TABLE "public"."outboxevent";`)
}

func TestTableRenamedWhileRunning(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	d.exec(outboxTable)
	s := d.start(&connectortest.Store{}, nil)
	d.exec("alter table outboxevent rename to letters", "insert into letters (aggregatetype, aggregateid) values ('T', 'a')")
	_, err := s.Read(t.Context())
	wants(t, err, fault.PostgresTable, connectors.BadConfig, "table: public.letters")
}

// A server that goes away and comes back costs nothing but time; the class tells the loop to try again.
func TestServerGoesAndComesBack(t *testing.T) {
	server := mortal.get(t)
	d := newDatabase(t, server)
	d.exec(outboxTable)
	store := &connectortest.Store{}
	s := d.start(store, nil)
	d.exec(insert("a"))
	first := read(t, s, 1)[0]
	failed := make(chan error)
	go func() {
		_, err := s.Read(t.Context())
		failed <- err
	}()
	begin := time.Now()
	server.Stop()
	if took := time.Since(begin); took > 8*time.Second {
		t.Errorf("the server's shutdown waited %v for the source", took)
	}
	wants(t, <-failed, fault.PostgresUnreachable, connectors.Retry, "")
	for range 3 {
		wants(t, s.Connect(t.Context()), fault.PostgresUnreachable, connectors.Retry, "")
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := s.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.connect()
	d.exec(insert("b"))
	if g := read(t, s, 1)[0]; g.key != "b" || g.sequence != first.sequence+1 {
		t.Errorf("after %+v came %+v", first, g)
	}
}

func TestLostSlotAndWalLevel(t *testing.T) {
	server := mortal.get(t)
	d := newDatabase(t, server)
	d.exec(outboxTable, "create table filler (t text)")
	store := &connectortest.Store{}
	d.start(store, nil).Close()
	set := func(statements ...string) {
		t.Helper()
		d.exec(append(statements, "select pg_reload_conf()")...)
	}
	t.Cleanup(func() {
		server.Exec(context.Background(), "alter system reset all", "select pg_reload_conf()")
	})
	set("alter system set max_slot_wal_keep_size = '16MB'", "alter system set max_wal_size = '32MB'")
	eventually(t, "the slot is lost", func() bool {
		d.exec("insert into filler select repeat('x', 1000) from generate_series(1, 20000)", "select pg_switch_wal()", "checkpoint")
		return d.ask("select wal_status from pg_replication_slots where slot_name = "+literal("strobe_"+d.name)) == "lost"
	})
	last := stored(t, store)
	err := d.source(store, nil).Connect(t.Context())
	wants(t, err, fault.PostgresSlotLost, connectors.Fatal, "SELECT pg_drop_replication_slot('strobe_"+d.name+"');\nacceptGapAfter: "+last.LSN.String())
	d.exec("select pg_drop_replication_slot('strobe_" + d.name + "')")
	s := d.start(store, map[string]any{"acceptGapAfter": last.LSN.String()})
	d.exec(insert("a"))
	if g := read(t, s, 1)[0]; g.key != "a" {
		t.Errorf("got %+v", g)
	}
	s.Close()

	d.exec("select pg_drop_replication_slot('strobe_" + d.name + "')") // a server with logical slots does not start below wal_level logical
	server.Set("wal_level", "replica")
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	wants(t, d.source(&connectortest.Store{}, nil).Connect(t.Context()), fault.PostgresWalLevel, connectors.BadConfig, "ALTER SYSTEM SET wal_level = 'logical'")
	server.Set("wal_level", "logical")
	server.Set("max_replication_slots", "0")
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	wants(t, d.source(&connectortest.Store{}, nil).Connect(t.Context()), fault.PostgresNoFreeSlot, connectors.Retry, "ALTER SYSTEM SET max_replication_slots")
	server.Set("max_replication_slots", "20")
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	d.connect()
}

// A slot can only begin where transactions that are open now have ended; waiting for a forgotten one without a word would look like a hang.
func TestOpenTransactionHoldsTheNewSlotBack(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	d.exec(outboxTable)
	old := slotTimeout
	slotTimeout = 200 * time.Millisecond
	defer func() { slotTimeout = old }()
	forgotten, err := pgx.Connect(t.Context(), d.dsn())
	if err != nil {
		t.Fatal(err)
	}
	defer forgotten.Close(context.Background())
	if _, err := forgotten.Exec(t.Context(), "begin; create table unfinished (id int)", pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	s := d.source(&connectortest.Store{}, nil)
	wants(t, s.Connect(t.Context()), fault.PostgresSlotWaits, connectors.Retry, "pg_stat_activity")
	if n := d.ask("select count(*)::text from pg_replication_slots where database = current_database()"); n != "0" {
		t.Errorf("%s slots are left", n)
	}
	if _, err := forgotten.Exec(t.Context(), "rollback"); err != nil {
		t.Fatal(err)
	}
	if err := s.Connect(t.Context()); err != nil {
		t.Error(err)
	}
}

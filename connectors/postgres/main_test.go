package postgres

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/connectors/connectortest"
	"github.com/strobemq/strobe/connectors/postgres/postgrestest"
)

// shared is one server for all tests that do not take it away; each has a database of its own. It is started by the first that needs it.
var shared = lazyServer{settings: map[string]string{"max_replication_slots": "100", "max_wal_senders": "100", "fsync": "off"}}

// mortal is the server of tests that kill it or change its settings; they leave it running as it was.
var mortal lazyServer

type lazyServer struct {
	settings map[string]string
	server   *postgrestest.Server
}

func (l *lazyServer) get(t testing.TB) *postgrestest.Server {
	t.Helper()
	if l.server == nil {
		var err error
		if l.server, err = postgrestest.Start(postgrestest.Options{Progress: os.Stderr, Settings: l.settings}); err != nil {
			t.Fatal(err)
		}
	}
	return l.server
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, l := range []*lazyServer{&shared, &mortal} {
		if l.server != nil {
			l.server.Close()
		}
	}
	os.Exit(code)
}

// database is one database of a server, with the rights of its superuser.
type database struct {
	t      testing.TB
	server *postgrestest.Server
	name   string
	conn   *pgx.Conn
}

// newDatabase makes a database that is gone after the test, slots included.
func newDatabase(t testing.TB, server *postgrestest.Server) *database {
	t.Helper()
	name := strings.ToLower(strings.NewReplacer("/", "_", "-", "_", "#", "_").Replace(t.Name()))
	d := &database{t: t, server: server, name: name[max(0, len(name)-50):]}
	if err := server.Exec(t.Context(), "create database "+identifier(d.name)); err != nil {
		t.Fatal(err)
	}
	d.connect()
	t.Cleanup(func() {
		ctx := context.Background()
		d.conn.Close(ctx)
		server.Exec(ctx,
			fmt.Sprintf("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and pid <> pg_backend_pid()", literal(d.name)),
			fmt.Sprintf("do $$ declare s text; begin for s in select slot_name from pg_replication_slots where database = %s loop perform pg_drop_replication_slot(s); end loop; end $$", literal(d.name)),
			"drop database "+identifier(d.name)+" with (force)")
	})
	return d
}

func (d *database) connect() {
	d.t.Helper()
	var err error
	if d.conn, err = pgx.Connect(d.t.Context(), d.dsn()); err != nil {
		d.t.Fatal(err)
	}
}

func (d *database) dsn() string { return d.server.URL("postgres", d.server.Password, d.name) }

// exec runs statements, each in its own transaction.
func (d *database) exec(statements ...string) {
	d.t.Helper()
	for _, sql := range statements {
		if _, err := d.conn.Exec(d.t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			d.t.Fatalf("%s: %v", sql, err)
		}
	}
}

// ask is the text of one value.
func (d *database) ask(sql string) string {
	d.t.Helper()
	var text string
	if err := d.conn.QueryRow(d.t.Context(), sql, pgx.QueryExecModeSimpleProtocol).Scan(&text); err != nil {
		d.t.Fatalf("%s: %v", sql, err)
	}
	return text
}

const outboxTable = `create table outboxevent (id uuid primary key default gen_random_uuid(), aggregatetype varchar(255) not null,
	aggregateid varchar(255) not null, type varchar(255) not null default 'T', payload jsonb)`

// config is a configuration of a source on d, with changes: nil removes a key.
func (d *database) config(changes map[string]any) map[string]any {
	c := map[string]any{"mode": "outbox", "host": "127.0.0.1", "port": d.server.Port, "user": "postgres", "password": "env:PGPASSWORD", "database": d.name}
	for key, value := range changes {
		c[key] = value
		if value == nil {
			delete(c, key)
		}
	}
	return c
}

func (d *database) secret(string) (string, error) { return d.server.Password, nil }

// env is that of a source named after the test's database.
func (d *database) env(store *connectortest.Store) connectors.Env {
	return connectors.Env{Tenant: "public", Namespace: "default", Name: d.name, Checkpoints: store, Secret: d.secret}
}

// start makes and connects a source that is closed at the test's end.
func (d *database) start(store *connectortest.Store, changes map[string]any) *Source {
	d.t.Helper()
	s := d.source(store, changes)
	if err := s.Connect(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	return s
}

func (d *database) source(store *connectortest.Store, changes map[string]any) *Source {
	d.t.Helper()
	return d.sourceWith(d.env(store), changes)
}

func (d *database) sourceWith(env connectors.Env, changes map[string]any) *Source {
	d.t.Helper()
	s, err := NewSource(d.config(changes), env)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { s.Close() })
	return s.(*Source)
}

// got is a copy of a record.
type got struct {
	topic, key, value, reject string
	null                      bool
	sequence                  uint64
	eventTime                 int64
	properties                string
}

func copyOf(r connectors.Record) got {
	g := got{topic: r.Topic, key: string(r.Key), value: string(r.Payload), null: r.Null, sequence: r.Sequence, eventTime: r.EventTime, reject: r.Reject}
	if !r.HasKey {
		g.key = "<none>"
	}
	for _, p := range r.Properties {
		g.properties += p.Key + "=" + p.Value + ";"
	}
	return g
}

// read reads n records and acknowledges them.
func read(t *testing.T, s *Source, n int) []got {
	t.Helper()
	var list []got
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for len(list) < n {
		b, err := s.Read(ctx)
		if err != nil {
			t.Fatalf("after %d of %d records: %v", len(list), n, err)
		}
		for _, r := range b.Records {
			list = append(list, copyOf(r))
		}
		if err := b.Ack(ctx, nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(list) > n {
		t.Fatalf("%d records, want %d: %v", len(list), n, list)
	}
	return list
}

// metrics counts.
type metrics struct {
	mu     sync.Mutex
	counts map[string]int64
	gauges map[string]float64
}

func newMetrics() *metrics {
	return &metrics{counts: map[string]int64{}, gauges: map[string]float64{}}
}

func (m *metrics) Count(name string, delta int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts[name] += delta
}

func (m *metrics) Gauge(name string, value float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gauges[name] = value
}

func (m *metrics) count(name string) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counts[name]
}

// eventually waits for a condition that other goroutines or the server bring about.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within twenty seconds", what)
		}
	}
}

package postgres

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/connectors/connectortest"
)

var rewrite = flag.Bool("rewrite", false, "write testdata/check anew; commit it only if you understand the difference")

// transcript is what a check found, as people read it.
func transcript(problems []connectors.Problem) string {
	if len(problems) == 0 {
		return "no problem\n"
	}
	var b strings.Builder
	for _, p := range problems {
		fmt.Fprintf(&b, "%s  %s\n", p.Code, p.Path)
		for line := range strings.Lines(p.Cause) {
			fmt.Fprintf(&b, "    %s\n", strings.TrimRight(line, "\n"))
		}
		for line := range strings.Lines(p.Fix) {
			fmt.Fprintf(&b, "    > %s\n", strings.TrimRight(line, "\n"))
		}
	}
	return b.String()
}

// check compares what Check finds with testdata/check/NAME.txt, and sees to it that it left nothing behind.
func (d *database) check(t *testing.T, name string, config map[string]any, env connectors.Env) {
	t.Helper()
	left := func() string {
		return d.ask("select (select count(*) from pg_publication)::text || ' publications, ' || (select count(*) from pg_replication_slots where database = current_database())::text || ' slots'")
	}
	before := left()
	problems, err := Check(t.Context(), config, env)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "check leaves nothing behind", func() bool { return left() == before })
	text := strings.NewReplacer(d.name, "DB", fmt.Sprint(d.server.Port), "PORT").Replace(transcript(problems))
	file := filepath.Join("testdata", "check", name+".txt")
	if *rewrite {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, text, want)
	}
}

func TestCheckFindsEverythingAtOnce(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	env := d.env(&connectortest.Store{})

	t.Run("configuration", func(t *testing.T) {
		d.check(t, "configuration", map[string]any{
			"mode": "outbocks", "dsn": "postgres://me:hunter2@127.0.0.1/db", "slot": "My-Slot", "tabel": "x", "password": "hunter2", "tls": map[string]any{"mode": "verify", "cert": "env:X"},
			"headers": []any{"a:b:c", "type:envelope", "id"}, "topic": "non-persistent://a/b/c", "heartbeat": map[string]any{"interval": "10ms"}, "acceptGapAfter": "yes", "port": 99999,
		}, env)
		d.check(t, "nothing-given", map[string]any{}, env)
	})
	t.Run("empty database", func(t *testing.T) { d.check(t, "empty-database", d.config(nil), env) })

	d.exec(outboxTable)
	t.Run("ready", func(t *testing.T) { d.check(t, "ready", d.config(nil), env) })

	t.Run("no rights", func(t *testing.T) {
		config, env := d.as(d.role("reader", ""), nil)
		d.check(t, "no-rights", config, env)
	})

	t.Run("everything wrong", func(t *testing.T) {
		d.exec("create table messy (id int, aggregate_type text, aggregateid text, payload text, at text)",
			"create publication messy for table messy (id, aggregateid) with (publish = 'update, delete')")
		config, env := d.as(d.role("writer", "replication"), map[string]any{
			"table": "messy", "publication": "messy", "columns": map[string]any{"timestamp": "at"}, "headers": []any{"tenant"}, "createSlot": false})
		// From here on until it is reset no commit returns.
		if err := d.server.Exec(t.Context(), "alter system set synchronous_standby_names = 'ANY 1 (*)'", "select pg_reload_conf()"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			d.server.Exec(context.Background(), "alter system reset synchronous_standby_names", "select pg_reload_conf()")
			eventually(t, "the setting is back", func() bool { return d.ask("show synchronous_standby_names") == "" })
		})
		eventually(t, "the setting is there", func() bool { return d.ask("show synchronous_standby_names") != "" })
		d.check(t, "everything-wrong", config, env)
	})

	t.Run("running", func(t *testing.T) {
		store := &connectortest.Store{}
		d.start(store, nil)
		d.check(t, "running", d.config(nil), d.env(store)) // the source itself holds the slot: no problem
	})
	t.Run("not there", func(t *testing.T) { d.check(t, "not-there", d.config(map[string]any{"port": 1}), env) })
}

package postgres

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/strobemq/strobe/connectors/connectortest"
)

func TestPayloadIsWhatWasWritten(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	d.exec("create domain blob as bytea", "create domain nested as blob", "create domain note as text", "create type mood as enum ('sad', 'happy')")
	for i, c := range []struct{ typ, value, want string }{
		{"jsonb", `{"b": 1,  "a": 12.30}`, `{"a": 12.30, "b": 1}`}, // jsonb keeps numbers as written and orders keys
		{"json", `{"b": 1,  "a": 12.30}`, `{"b": 1,  "a": 12.30}`},
		{"text", "any text, ü and \"quotes\"", "any text, ü and \"quotes\""},
		{"bytea", `\x00ff10`, "\x00\xff\x10"},
		{"varchar(20)", "", ""},
		{"blob", `\x6162`, "ab"},     // a domain over bytea
		{"nested", `\x6364`, "cd"},   // a domain over that
		{"mood", "happy", "happy"},   // an enum
		{"note", "plain", "plain"},   // a domain over text
		{"text[]", "{a,b}", "{a,b}"}, // anything else: its text
	} {
		t.Run(c.typ, func(t *testing.T) {
			d.t = t
			table := fmt.Sprintf("outbox_%d", i)
			d.exec(fmt.Sprintf("create table %s (id int primary key, aggregatetype text, aggregateid %[2]s, payload %[2]s)", table, c.typ))
			s := d.start(&connectortest.Store{}, map[string]any{"table": table, "slot": fmt.Sprintf("%s_%d", d.name, i), "publication": table})
			d.exec(fmt.Sprintf("insert into %s values (1, 'T', %[2]s, %[2]s)", table, literal(c.value)))
			g := read(t, s, 1)[0]
			if g.value != c.want || g.key != c.want || g.null || g.reject != "" {
				t.Errorf("got %+v, want %q", g, c.want)
			}
		})
	}
}

func TestEventTimeOfEveryType(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	d.exec("set timezone = 'America/St_Johns'") // the application's zone is not ours
	for i, c := range []struct {
		typ, value string
		want       int64 // 0: the commit's time
	}{
		{"timestamp", "2024-05-06 07:08:09.123456", 1714979289123},
		{"timestamp(0)", "2024-05-06 07:08:09", 1714979289000},
		{"timestamptz", "2024-05-06 07:08:09.5+02", 1714972089500},
		{"date", "2024-05-06", 1714953600000},
		{"bigint", "1714979289123", 1714979289123},
		{"int", "86400000", 86400000},
		{"timestamp", "12024-05-06 00:00:00", 317284473600000},
		{"timestamp", "infinity", 0},
		{"timestamptz", "-infinity", 0},
		{"timestamp", "0044-03-15 00:00:00 BC", 0},
		{"date", "infinity", 0},
		{"timestamp", "", 0},
	} {
		t.Run(c.typ+" "+c.value, func(t *testing.T) {
			table := fmt.Sprintf("outbox_%d", i)
			d.t = t
			d.exec(fmt.Sprintf("create table %s (id int primary key, aggregatetype text, aggregateid text, payload text, at %s)", table, c.typ))
			s := d.start(&connectortest.Store{}, map[string]any{"table": "public." + table, "slot": "slot_" + d.name + fmt.Sprint(i), "publication": table,
				"columns": map[string]any{"timestamp": "at"}})
			value := literal(c.value)
			if c.value == "" {
				value = "null"
			}
			begin := time.Now().UnixMilli()
			d.exec(fmt.Sprintf("insert into %s values (1, 'T', 'k', '', %s)", table, value))
			g := read(t, s, 1)[0]
			if now := time.Now().UnixMilli(); c.want == 0 && (g.eventTime < begin-1 || g.eventTime > now) {
				t.Errorf("event time %d, want that of the commit, between %d and %d", g.eventTime, begin, now)
			} else if c.want != 0 && g.eventTime != c.want {
				t.Errorf("event time %d, want %d", g.eventTime, c.want)
			}
		})
	}
}

// Rows that can be no messages keep their place and number, and rows behind them come.
func TestBadRowsAreHandedOnWithTheirReason(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	d.exec("create table outboxevent (id int primary key, aggregatetype text, aggregateid text, payload text)")
	s := d.start(&connectortest.Store{}, nil)
	var values []string
	want := []string{ // type, code and words of the reason; empty: fine
		"Order|", "|STB-POSTGRES-0070 the value is empty", "a/b|STB-POSTGRES-0070 character '/'", "a b|STB-POSTGRES-0070 character ' '",
		"a\tb|STB-POSTGRES-0070 character '\\t'", strings.Repeat("x", 243) + "|STB-POSTGRES-0070 256 bytes", strings.Repeat("x", 242) + "|",
		"a-partition-3|STB-POSTGRES-0070 partition", "a-partition-x|", "Ärger|", "NULL|STB-POSTGRES-0072 aggregatetype is NULL", "last|",
	}
	for i, w := range want {
		typ, _, _ := strings.Cut(w, "|")
		value := literal(typ)
		if typ == "NULL" {
			value = "null"
		}
		values = append(values, fmt.Sprintf("(%d, %s, 'k%d', 'p%d')", i, value, i, i))
	}
	d.exec("insert into outboxevent values " + strings.Join(values, ", "))
	rows := read(t, s, len(want))
	for i, g := range rows {
		typ, reason, _ := strings.Cut(want[i], "|")
		if g.key != fmt.Sprintf("k%d", i) || g.value != fmt.Sprintf("p%d", i) || g.properties != fmt.Sprintf("id=%d;", i) || g.sequence != rows[0].sequence+uint64(i) {
			t.Errorf("row %d is %+v", i, g)
		}
		code, words, _ := strings.Cut(reason, " ")
		switch {
		case reason == "" && (g.reject != "" || g.topic != "persistent://public/default/outbox.event."+typ):
			t.Errorf("row %d: topic %q, rejected %q", i, g.topic, g.reject)
		case reason != "" && (g.topic != "" || !strings.Contains(g.reject, code) || !strings.Contains(g.reject, words)):
			t.Errorf("row %d: topic %q, rejected %q, want %s", i, g.topic, g.reject, reason)
		}
	}
}

func TestChangesOfRowsAreIgnoredAndCounted(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	d.exec(outboxTable, "create table other (id int primary key)", "create publication everything for all tables")
	env := d.env(&connectortest.Store{})
	m := newMetrics()
	env.Metrics = m
	s := d.sourceWith(env, map[string]any{"publication": "everything"})
	if err := s.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.exec("insert into outboxevent (aggregatetype, aggregateid) values ('T', 'a'), ('T', 'b')", "update outboxevent set payload = '1'", "delete from outboxevent where aggregateid = 'a'",
		"insert into other values (1), (2)", "update other set id = 3 where id = 1", "truncate outboxevent, other", "insert into outboxevent (aggregatetype, aggregateid) values ('T', 'c')")
	rows := read(t, s, 3)
	if rows[2].key != "c" || rows[2].sequence != rows[0].sequence+2 {
		t.Errorf("ignored changes took a number: %+v", rows)
	}
	for name, want := range map[string]int64{"rows": 3, "ignored_updates": 2, "ignored_deletes": 1, "ignored_truncates": 1, "ignored_other_tables": 4} {
		if n := m.count(name); n != want {
			t.Errorf("%s counted %d times, want %d", name, n, want)
		}
	}
}

func TestPartitionedTableComesUnderItsOwnName(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	d.exec("create table outboxevent (id int, aggregatetype text, aggregateid text, payload text, day date default '2025-01-01') partition by range (day)",
		"create table outbox_old partition of outboxevent for values from ('2025-01-01') to ('2025-06-01')",
		"create table outbox_new partition of outboxevent for values from ('2025-06-01') to ('2026-01-01')")
	s := d.start(&connectortest.Store{}, nil)
	d.exec("insert into outboxevent values (1, 'T', 'a', 'x', default), (2, 'T', 'b', 'y', '2025-07-01')", "drop table outbox_old", "insert into outboxevent values (3, 'T', 'c', 'z', '2025-07-02')")
	if rows := read(t, s, 3); rows[1].key != "b" || rows[2].key != "c" {
		t.Errorf("got %+v", rows)
	}
}

// The table may change while the source runs, and WAL may still hold rows of the former table.
func TestTableChangesBetweenRows(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	d.exec("create table outboxevent (id int, aggregatetype text, aggregateid text, payload text, tenant text)")
	store := &connectortest.Store{}
	changes := map[string]any{"headers": []any{"tenant"}}
	s := d.start(store, changes)
	d.exec("insert into outboxevent values (1, 'T', 'a', 'x', 'acme')", "alter table outboxevent drop column tenant, add column extra int default 5",
		"insert into outboxevent values (2, 'T', 'b', 'y')", "alter table outboxevent add column tenant text", "alter table outboxevent drop column extra",
		"insert into outboxevent values (3, 'T', 'c', 'z', 'globex')")
	rows := read(t, s, 3)
	for i, want := range []string{"id=1;tenant=acme;", "id=2;", "id=3;tenant=globex;"} {
		if rows[i].properties != want {
			t.Errorf("row %d has properties %s, want %s", i, rows[i].properties, want)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// A row that was committed while a column was missing is decoded with the table of its time.
	d.exec("alter table outboxevent drop column tenant", "insert into outboxevent values (4, 'T', 'd', 'w')", "alter table outboxevent add column tenant text")
	if g := read(t, d.start(store, changes), 1)[0]; g.key != "d" || g.properties != "id=4;" {
		t.Errorf("got %+v", g)
	}
}

func TestLargeRows(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	d.exec("create table outboxevent (id int, aggregatetype text, aggregateid text, payload text)", "alter table outboxevent alter payload set storage external")
	s := d.start(&connectortest.Store{}, nil)
	d.exec("insert into outboxevent values (1, 'T', 'a', 'small')",
		"insert into outboxevent values (2, 'T', 'b', repeat('x', 3000000))",
		"insert into outboxevent values (3, 'T', 'c', repeat('y', 34000000))", // above maxFrame
		"insert into outboxevent values (4, 'T', 'd', 'small')")
	rows := read(t, s, 4)
	if rows[1].value != strings.Repeat("x", 3000000) || rows[1].reject != "" {
		t.Errorf("a row of 3 MB came as %d bytes, rejected %q", len(rows[1].value), rows[1].reject)
	}
	g := rows[2]
	if !strings.Contains(g.reject, "STB-POSTGRES-0071") || g.topic != "" || g.key != "c" || g.properties != "id=3;" || g.sequence != rows[1].sequence+1 || g.value != "" {
		t.Errorf("a row of 34 MB came as %.200s", fmt.Sprintf("%+v", g))
	}
	if rows[3].value != "small" || rows[3].reject != "" {
		t.Errorf("the row behind is %+v", rows[3])
	}
	if n := len(s.stream.framer.buf); n > largeBuffer {
		// The buffer shrinks with the next read.
		d.exec("insert into outboxevent values (5, 'T', 'e', 'small')")
		read(t, s, 1)
		if n := len(s.stream.framer.buf); n > largeBuffer {
			t.Errorf("the buffer stays at %d bytes", n)
		}
	}
}

package postgres

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/internal/fault"
)

// sound is a situation without a problem: a source that ran before.
func sound() situation {
	s := exampleCheckpoint.Shape
	last := exampleCheckpoint
	t := &tableFacts{Kind: "r", Persistence: "p", Identity: "d", PrimaryKey: true, Owner: true}
	for _, name := range s.names() {
		t.Columns = append(t.Columns, columnFacts{Name: name, Type: "bigint", Base: oidInt8})
	}
	return situation{
		config: config{slot: last.Slot, createSlot: true, createPublication: true, shape: s, server: server{applicationName: "strobe a/b/c"}},
		shape:  s, last: &last, ident: identity{system: last.System, timeline: 1},
		facts: facts{Version: 180004, WalLevel: "logical", MaxSlots: 10, Database: "shop", Role: "strobe", MayCreate: true, Table: t,
			Publication: &publicationFacts{Insert: true, Holds: true, Columns: s.names()},
			Slot:        &slotFacts{Plugin: "pgoutput", Type: "logical", Database: "shop", WalStatus: "reserved", Confirmed: last.LSN.String()}},
	}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*situation)
		want   []*fault.Fault
		class  connectors.Class
		skipTo bool
	}{
		{name: "sound", change: func(*situation) {}},
		{name: "confirmed less than stored", change: func(s *situation) { s.facts.Slot.Confirmed = "0/1" }},
		{name: "old server", change: func(s *situation) { s.facts.Version = 140010 }, want: []*fault.Fault{fault.PostgresVersion}, class: connectors.BadConfig},
		{name: "standby", change: func(s *situation) { s.facts.Standby = true }, want: []*fault.Fault{fault.PostgresStandby}, class: connectors.Retry},
		{name: "failover before 17", change: func(s *situation) {
			s.last, s.facts.Slot, s.config.failover, s.facts.Version = nil, nil, true, 160000
		}, want: []*fault.Fault{fault.PostgresSetting}, class: connectors.BadConfig},
		{name: "slot being made", change: func(s *situation) { s.facts.Slot.Confirmed = "" }, want: []*fault.Fault{fault.PostgresSlotWaits}, class: connectors.Retry},

		{name: "promoted, not confirmed by a person", change: func(s *situation) { s.ident.timeline, s.switchPoint = 2, s.last.LSN+1 },
			want: []*fault.Fault{fault.PostgresTimeline}, class: connectors.Fatal},
		{name: "promoted", change: func(s *situation) { s.ident.timeline, s.config.timeline, s.switchPoint = 2, 2, s.last.LSN }},
		{name: "promoted without rows that were delivered", change: func(s *situation) { s.ident.timeline, s.config.timeline, s.switchPoint = 2, 2, s.last.LSN-1 },
			want: []*fault.Fault{fault.PostgresTimeline}, class: connectors.Fatal},
		{name: "promoted without rows, accepted", change: func(s *situation) {
			s.ident.timeline, s.config.timeline, s.switchPoint, s.config.acceptGapAfter = 2, 2, s.last.LSN-1, s.last.LSN
		}, skipTo: true},
		{name: "another line of timelines", change: func(s *situation) { s.ident.timeline, s.config.timeline, s.switchPoint = 3, 3, 0 },
			want: []*fault.Fault{fault.PostgresTimeline}, class: connectors.Fatal},

		{name: "moved to a new server", change: func(s *situation) { s.ident.system, s.facts.Slot = "1", nil },
			want: []*fault.Fault{fault.PostgresOtherSystem}, class: connectors.Fatal},
		{name: "moved to a new server, accepted", change: func(s *situation) {
			s.ident.system, s.facts.Slot, s.config.acceptGapAfter = "1", nil, s.last.LSN
		}, skipTo: true},
		{name: "moved, accepted for another position", change: func(s *situation) { s.ident.system, s.config.acceptGapAfter = "1", 5 },
			want: []*fault.Fault{fault.PostgresOtherSystem, fault.PostgresSlotAhead}[:1], class: connectors.Fatal},
		{name: "accepted without a gap", change: func(s *situation) { s.config.acceptGapAfter = s.last.LSN }},

		{name: "worst first", change: func(s *situation) {
			s.facts.Publication.Holds, s.facts.Slot, s.facts.Standby = false, nil, true
		}, want: []*fault.Fault{fault.PostgresSlotDropped, fault.PostgresPublicationTable, fault.PostgresStandby}, class: connectors.Fatal},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := sound()
			c.change(&s)
			v := judge(s)
			err := v.err()
			var want, have []string
			for _, f := range c.want {
				want = append(want, f.Code)
			}
			if err != nil {
				for line := range strings.Lines(err.Error()) {
					code, _, _ := strings.Cut(line, " ")
					have = append(have, code)
				}
				if class := connectors.ClassOf(err); class != c.class {
					t.Errorf("class %v, want %v", class, c.class)
				}
			}
			if d := cmp.Diff(want, have); d != "" {
				t.Errorf("%v\n%s", err, d)
			}
			if v.skipTo != c.skipTo {
				t.Errorf("skip to the slot's place: %v", v.skipTo)
			}
		})
	}
}

func TestSynchronousNames(t *testing.T) {
	for names, want := range map[string]bool{
		"": false, "*": true, "other": false, "me": true, "other, ME": true, `FIRST 1 (other, "me")`: true, "ANY 2 (a, b)": false, "2 (*)": true, "mee": false,
	} {
		if got := matchesSynchronous(names, "me"); got != want {
			t.Errorf("%q matches: %v", names, got)
		}
	}
}

func TestDSN(t *testing.T) {
	for dsn, want := range map[string]string{
		"postgres://me@db.example:6000/shop":            "me@db.example:6000/shop",
		"postgresql://me@db/shop?sslmode=require":       "me@db:5432/shop",
		"postgres://me:pw@db/shop":                      "STB-POSTGRES-0062",
		"postgres://me@db/shop?password=pw":             "STB-POSTGRES-0062",
		"postgres://db/shop":                            "STB-POSTGRES-0061",
		"postgres://me@db/shop?options=-csomething":     "STB-POSTGRES-0061",
		"host=db user=me":                               "STB-POSTGRES-0061",
		"mysql://me@db/shop":                            "STB-POSTGRES-0061",
		"postgres://me@db/shop?sslmode=sometimes":       "STB-POSTGRES-0061",
		"postgres://me@db/shop?service=x&sslmode=allow": "STB-POSTGRES-0061",
	} {
		c, findings := readConfig(map[string]any{"mode": "outbox", "dsn": dsn}, connectors.Env{Tenant: "t", Namespace: "n", Name: "s"})
		got := c.server.String()
		if err := connectors.Join(findings); err != nil {
			got, _, _ = strings.Cut(err.Error(), " ")
			if strings.Contains(err.Error(), "pw") {
				t.Errorf("%v shows the password", err)
			}
		}
		if got != want {
			t.Errorf("%s is %s, want %s", dsn, got, want)
		}
	}
}

// The worker's own environment must not reach a server that a tenant names.
func TestConnectionIgnoresTheEnvironment(t *testing.T) {
	for name, value := range map[string]string{"PGPASSWORD": "the worker's", "PGUSER": "worker", "PGHOST": "elsewhere", "PGDATABASE": "x", "PGSSLMODE": "verify-full",
		"PGSSLROOTCERT": "/none", "PGAPPNAME": "x", "PGOPTIONS": "-c x=y", "PGTARGETSESSIONATTRS": "standby", "PGPASSFILE": "/none"} {
		t.Setenv(name, value)
	}
	c, findings := readConfig(map[string]any{"mode": "outbox", "dsn": "postgres://me@db/shop"}, connectors.Env{Tenant: "t", Namespace: "n", Name: "s"})
	if len(findings) > 0 {
		t.Fatal(connectors.Join(findings))
	}
	got, err := c.server.connConfig(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Password != "" || got.User != "me" || got.Host != "db" || got.Database != "shop" || got.ValidateConnect != nil || got.RuntimeParams["options"] != "" {
		t.Errorf("the environment shows through: %+v", got)
	}
}

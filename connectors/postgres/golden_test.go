package postgres

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strobemq/strobe/connectors/connectortest"
)

// recorded is one message that Debezium 3.6 made of the rows below (testdata/debezium-*.json, all but its own headers).
type recorded struct {
	Topic   string          `json:"topic"`
	Headers [][2]string     `json:"headers"` // values are JSON texts
	Key     string          `json:"key"`
	Value   json.RawMessage `json:"value"`
}

func readRecorded(t *testing.T, file string) []recorded {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var list []recorded
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

const goldenTable = `create table outboxevent (id uuid primary key, aggregatetype varchar(255) not null, aggregateid varchar(255) not null, type varchar(255) not null,
	payload jsonb, tracingspancontext text, tenant text, ver int, created timestamp default '2024-05-06 07:08:09.123456')`

// goldenRows are the statements that were recorded.
var goldenRows = []string{
	`insert into outboxevent values ('406c07f3-26f0-4eea-a50c-109940064b8f','Order','42','OrderCreated','{"id": 42, "lines": [{"sku": "x", "qty": 2}], "total": 12.30, "note": null}',null,'acme',3)`,
	`insert into outboxevent values ('406c07f3-26f0-4eea-a50c-109940064b90','Customer','7','CustomerChanged','"just a string"','{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}','acme',3)`,
	`insert into outboxevent values ('406c07f3-26f0-4eea-a50c-109940064b91','Order','43','OrderDeleted',null,null,null,null)`,
	`update outboxevent set type='Changed' where aggregateid='42'`,
	`delete from outboxevent where aggregateid='42'`,
	`begin; insert into outboxevent values ('406c07f3-26f0-4eea-a50c-109940064b93','Order','45','OrderCreated','{"id":45}'); delete from outboxevent where aggregateid='45'; commit`,
	`insert into outboxevent values ('406c07f3-26f0-4eea-a50c-109940064b94','Ärger /x','46','T','{}')`,
}

// arrayRow was recorded in the default run only: with expanded payloads it stopped Debezium.
const arrayRow = `insert into outboxevent values ('406c07f3-26f0-4eea-a50c-109940064b92','Order','44','T','[1, 2, 3]')`

// What Debezium's router makes of the rows is what we make of them: topic, key, value, the header id. The one difference is wanted:
// the value that is no topic name is parked, not sent.
func TestRowsAsDebeziumSendsThem(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	d.exec(goldenTable)
	s := d.start(&connectortest.Store{}, nil)
	d.exec(slices.Insert(slices.Clone(goldenRows), 3, arrayRow)...)
	want := map[string]string{}
	for _, r := range readRecorded(t, "testdata/debezium-outbox-default.json") {
		text := "<null>"
		if string(r.Value) != "null" { // the router sends the payload's text; the converter of the recording made a JSON string of it
			if err := json.Unmarshal(r.Value, &text); err != nil {
				t.Fatal(err)
			}
		}
		want[r.Key] = strings.Join(append([]string{r.Topic, text}, headers(t, r)...), " | ")
	}
	compare(t, want, read(t, s, 6))
}

// Further columns become headers under other names, and the event time comes from a column. The payload stays as it was written: where
// Debezium expands it, 12.30 becomes 12.3 and nulls are lost.
func TestHeadersAsDebeziumSendsThem(t *testing.T) {
	d := newDatabase(t, shared.get(t))
	d.exec(goldenTable)
	s := d.start(&connectortest.Store{}, map[string]any{
		"headers": []any{"type:header:eventType", "tenant", "ver:version"}, "topic": "ob2.event." + placeholder,
		"columns": map[string]any{"timestamp": "created"},
	})
	d.exec(goldenRows...)
	rows := read(t, s, 5)
	for _, g := range rows {
		if g.eventTime != 1714979289123 {
			t.Errorf("row %s: event time %d", g.key, g.eventTime)
		}
	}
	want := map[string]string{}
	for _, r := range readRecorded(t, "testdata/debezium-outbox-expanded.json") {
		value := map[string]string{"7": `"just a string"`, "46": "{}", "42": `{"id": 42, "note": null, "lines": [{"qty": 2, "sku": "x"}], "total": 12.30}`, "43": "<null>", "45": `{"id": 45}`}[r.Key]
		want[r.Key] = strings.Join(append([]string{r.Topic, value}, headers(t, r)...), " | ")
	}
	compare(t, want, rows)
}

// headers are a recorded message's as name=value; a null header has no counterpart among properties.
func headers(t *testing.T, r recorded) []string {
	t.Helper()
	var list []string
	for _, h := range r.Headers {
		text := strings.Trim(h[1], `"`)
		if h[1] != "null" {
			list = append(list, h[0]+"="+text)
		}
	}
	return list
}

func compare(t *testing.T, want map[string]string, rows []got) {
	t.Helper()
	have := map[string]string{}
	last := uint64(0)
	for _, g := range rows {
		if g.sequence <= last {
			t.Errorf("row %s has the number %d after %d", g.key, g.sequence, last)
		}
		last = g.sequence
		topic, value := strings.TrimPrefix(g.topic, "persistent://public/default/"), g.value
		if g.null {
			value = "<null>"
		}
		if g.key == "46" {
			if g.topic != "" || !strings.Contains(g.reject, "STB-POSTGRES-0070") || !strings.Contains(g.reject, "Ärger /x") {
				t.Errorf("the row with a bad topic: %+v", g)
			}
			topic = strings.SplitN(want["46"], " | ", 2)[0]
		} else if g.reject != "" {
			t.Errorf("row %s was rejected: %s", g.key, g.reject)
		}
		have[g.key] = strings.Join(append([]string{topic, value}, strings.FieldsFunc(g.properties, func(r rune) bool { return r == ';' })...), " | ")
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Error(diff)
	}
}

package connectors

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var testOptions = []Option{
	{Key: "table", Type: "string", Required: true, Help: "which table"},
	{Key: "port", Type: "int", Default: "5432"},
	{Key: "create", Type: "bool", Default: "true"},
	{Key: "heartbeat.interval", Type: "duration", Default: "10s"},
	{Key: "heartbeat.query", Type: "string"},
	{Key: "headers", Type: "list"},
	{Key: "labels", Type: "map"},
	{Key: "password", Type: "secret"},
}

func TestDecodeReadsEveryType(t *testing.T) {
	v, findings := Decode(testOptions, map[string]any{
		"table": "outbox", "port": float64(6000), "create": false, "heartbeat": map[string]any{"interval": "1m"},
		"headers": []any{"a", "b"}, "labels": map[string]any{"x": "y"}, "password": "env:PGPASSWORD",
	})
	if len(findings) > 0 {
		t.Fatal(Join(findings))
	}
	if v.String("table") != "outbox" || v.Int("port") != 6000 || v.Bool("create") || v.Duration("heartbeat.interval") != time.Minute ||
		v.String("password") != "env:PGPASSWORD" || !cmp.Equal(v.List("headers"), []string{"a", "b"}) || v.Map("labels")["x"] != "y" {
		t.Errorf("decoded %v", v)
	}
}

func TestDecodeFillsDefaults(t *testing.T) {
	v, findings := Decode(testOptions, map[string]any{"table": "outbox"})
	if len(findings) > 0 {
		t.Fatal(Join(findings))
	}
	if v.Int("port") != 5432 || !v.Bool("create") || v.Duration("heartbeat.interval") != 10*time.Second || v.List("headers") != nil {
		t.Errorf("decoded %v", v)
	}
}

func TestDecodeFindsEverythingAtOnce(t *testing.T) {
	_, findings := Decode(testOptions, map[string]any{
		"prot": 1, "port": "5432", "create": "yes", "heartbeat": map[string]any{"intervall": "1s", "query": 7}, "headers": "a", "password": "hunter2",
		"labels": []any{}, "unheard of": 1,
	})
	var got []string
	for _, p := range Problems(findings) {
		got = append(got, p.Path+" | "+p.Code+" | "+p.Cause)
	}
	want := []string{
		`create | STB-MANIFEST-0004 | value does not fit its key: create: "yes" is not true or false`,
		`headers | STB-MANIFEST-0004 | value does not fit its key: headers: "a" is not a list of texts`,
		`heartbeat.intervall | STB-MANIFEST-0003 | unknown key in a resource: heartbeat.intervall (did you mean heartbeat.interval?)`,
		`heartbeat.query | STB-MANIFEST-0004 | value does not fit its key: heartbeat.query: 7 is not a text`,
		`labels | STB-MANIFEST-0004 | value does not fit its key: labels: [] is not a mapping of texts`,
		`password | STB-MANIFEST-0008 | secret is a value, not a reference: password: not env:NAME or file:/path`,
		`port | STB-MANIFEST-0004 | value does not fit its key: port: "5432" is not a whole number`,
		`prot | STB-MANIFEST-0003 | unknown key in a resource: prot (did you mean port?)`,
		`table | STB-MANIFEST-0005 | required key is missing: table: which table`,
		`unheard of | STB-MANIFEST-0003 | unknown key in a resource: unheard of`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if c := ClassOf(Join(findings)); c != BadConfig {
		t.Errorf("class %v", c)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"table":"t","port":1,"heartbeat":{"interval":"1s"}}`))
	f.Add([]byte(`{"table":["t"],"headers":[1],"labels":{"a":1}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var config map[string]any
		if json.Unmarshal(data, &config) != nil {
			return
		}
		v, findings := Decode(testOptions, config)
		if len(findings) == 0 && v.String("table") == "" && config["table"] != "" {
			t.Errorf("%s: decoded %v without a table", data, v)
		}
	})
}

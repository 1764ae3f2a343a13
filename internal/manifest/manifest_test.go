package manifest

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var known = Connectors{"postgres": {
	{Key: "mode", Type: "string", Required: true},
	{Key: "host", Type: "string"},
	{Key: "port", Type: "int"},
	{Key: "password", Type: "secret"},
	{Key: "outbox.table", Type: "string"},
}}

const good = `apiVersion: strobe/v1
kind: Topic
metadata:
  name: orders
spec:
  partitions: 4
  deduplication: true
  retentionTime: 7d
  retentionSize: unlimited
---
apiVersion: strobe/v1
kind: Function
metadata:
  name: acme/shop/enrich
spec:
  wasm: ./enrich.wasm
  inputs: [orders, persistent://public/default/x]
  output: enriched
  config: {currency: EUR}
  guarantee: effectively-once
  memory: 64MiB
  deadline: 1500ms
---
apiVersion: strobe/v1
kind: Source
metadata: {name: shop}
spec:
  connector: postgres
  config: {mode: outbox, port: 5432, password: "env:PGPASSWORD", outbox: {table: public.outbox}}
`

func TestReadWriteRead(t *testing.T) {
	rs, errs := Read("f.yaml", []byte(good), known)
	if errs != nil {
		t.Fatal(errs)
	}
	if len(rs) != 3 || rs[1].Metadata != (Metadata{"acme", "shop", "enrich"}) || !rs[1].Function.Ordered ||
		rs[1].Function.Deadline != 1500*time.Millisecond || rs[0].Metadata.Tenant != "public" || *rs[0].Topic.RetentionSize != -1 {
		t.Fatalf("%+v", rs)
	}
	text, err := Write(rs...)
	if err != nil {
		t.Fatal(err)
	}
	again, errs := Read("f.yaml", text, known)
	if errs != nil {
		t.Fatalf("%v in\n%s", errs, text)
	}
	for i := range rs {
		rs[i].Where, again[i].Where = "", ""
	}
	if d := cmp.Diff(rs, again); d != "" {
		t.Errorf("written form reads differently:\n%s\n%s", d, text)
	}
}

func TestEveryErrorAtOnce(t *testing.T) {
	bad := `apiVersion: strobe/v1
kind: Topic
metadata: {name: "a b"}
spec:
  partition: 3
  deduplication: yes
  retentionTime: soon
  retentionTime: 1h
---
apiVersion: strobe/v1
kind: Functoin
metadata: {name: x}
---
apiVersion: strobe/v2
kind: Topic
---
apiVersion: strobe/v1
kind: Function
metadata: {name: loop}
spec:
  inputs: [a]
  output: public/default/a
  guarantee: exactly-once
  parallelism: 0
---
apiVersion: strobe/v1
kind: Source
metadata: {name: s}
spec:
  connector: postgres
  config: {password: hunter2, prt: 1, outbox: {tabel: x}, port: many}
---
apiVersion: strobe/v1
kind: Source
metadata: {name: s2}
spec: {connector: postgers}
`
	_, errs := Read("bad.yaml", []byte(bad), known)
	var lines []string
	for _, e := range errs {
		lines = append(lines, e.Error())
	}
	text := strings.Join(lines, "\n")
	for _, want := range []string{
		`bad.yaml:5:3: spec.partition (did you mean partitions?)`,
		`bad.yaml:6:18: spec.deduplication: want true or false`,
		`bad.yaml:7:18: spec.retentionTime: want a duration`,
		`STB-MANIFEST-0006 given twice: bad.yaml:8:3: spec.retentionTime`,
		`bad.yaml:3:11: metadata: "a b"`,
		`bad.yaml:11:7: kind "Functoin"; want Topic|Function|Source (did you mean Function?)`,
		`bad.yaml:14:13: want apiVersion: strobe/v1`,
		`STB-MANIFEST-0005 required key is missing: bad.yaml:21:3: spec.wasm`,
		`STB-MANIFEST-0007 function reads its own output: bad.yaml:22:11: public/default/a`,
		`bad.yaml:23:14: spec.guarantee: "exactly-once"; want at-least-once|effectively-once|at-most-once`,
		`bad.yaml:24:16: spec.parallelism: want a whole number from 1 to 1000`,
		`STB-MANIFEST-0008 secret is a value, not a reference: bad.yaml:31:22: spec.config.password`,
		`spec.config.prt (did you mean port?)`,
		`spec.config.outbox.tabel (did you mean outbox.table?)`,
		`spec.config.port: want a whole number`,
		`spec.config.mode`,
		`no connector "postgers"; there are postgres (did you mean postgres?)`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "hunter2") {
		t.Error("a secret stands in an error")
	}
}

func TestDiff(t *testing.T) {
	rs, errs := Read("f.yaml", []byte(good), nil)
	if errs != nil {
		t.Fatal(errs)
	}
	other, _ := Read("g.yaml", []byte(strings.NewReplacer("partitions: 4", "partitions: 8", "currency: EUR", "currency: USD, x: y", "port: 5432", "port: 1").Replace(good)), nil)
	var got []Change
	for i := range rs {
		if d := Diff(rs[i], rs[i]); d != nil {
			t.Errorf("differs from itself: %v", d)
		}
		got = append(got, Diff(rs[i], other[i])...)
	}
	want := []Change{
		{"partitions", int64(4), int64(8)},
		{"config.currency", "EUR", "USD"}, {"config.x", nil, "y"},
		{"config.port", 5432, 1},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("kind: Topic\n---\n- a\n---\n*x"))
	f.Add([]byte("apiVersion: strobe/v1\nkind: Topic\nmetadata: &a {name: *a}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rs, errs := Read("f", data, known)
		if errs != nil {
			return
		}
		text, err := Write(rs...)
		if err != nil {
			t.Fatal(err)
		}
		if _, errs := Read("f", text, known); errs != nil {
			t.Fatalf("%v in\n%s", errs, text)
		}
	})
}

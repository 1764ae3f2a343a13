package main

import (
	"fmt"
	"math"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/apache/pulsar-client-go/pulsar"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/strobemq/strobe/storage/segment"
)

const metricsDoc = "../../docs/metrics.md"

// TestMetricsPageIsFresh holds docs/metrics.md to the tables, and the tables to Prometheus' habits.
func TestMetricsPageIsFresh(t *testing.T) {
	want := metricsPage(t)
	if *rewrite {
		if err := os.WriteFile(metricsDoc, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(metricsDoc)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is stale: go test ./cmd/strobe -run MetricsPage -rewrite", metricsDoc)
	}
}

func metricsPage(t *testing.T) string {
	var b strings.Builder
	b.WriteString(`# Metrics

What ` + "`GET /metrics`" + ` of the HTTP address shows besides the usual ` + "`go_*` and `process_*`" + `. This page is written from the tables in
cmd/strobe/metrics_broker.go and metrics_storage.go. Counters count since the process started. All numbers are read when they are
asked for; there are no series by topic. A bookie's id is in its label and in the file ` + "`VERSION`" + ` of its directory. The last column says
which processes show the metric: broker, bookie, standalone.

| metric | type | labels | what it is | where |
|---|---|---|---|---|
`)
	seen := map[string]bool{}
	page(t, &b, seen, brokerMetrics, nil, "broker, standalone")
	page(t, &b, seen, connectionMetrics, nil, "broker, standalone")
	page(t, &b, seen, bookieMetrics, byBookie, "bookie, standalone")
	page(t, &b, seen, logMetrics, byBookie, "bookie, standalone")
	page(t, &b, seen, serverMetrics, byBookie, "bookie")
	page(t, &b, seen, answerMetrics, byCode, "bookie")
	page(t, &b, seen, remoteMetrics, nil, "broker")
	page(t, &b, seen, clockMetrics, nil, "broker, bookie")
	page(t, &b, seen, ledgerMetrics, nil, "broker, standalone")
	page(t, &b, seen, managedMetrics, nil, "broker, standalone")
	page(t, &b, seen, metaMetrics, nil, "standalone")
	return b.String()
}

var (
	metricName = regexp.MustCompile(`^strobe(_[a-z]+)+$`)
	otherUnits = regexp.MustCompile(`_(ms|millis|mb|kb|mib|kib|minutes|percent)(_|$)`)
)

func page[T any](t *testing.T, b *strings.Builder, seen map[string]bool, table []metric[T], labels []string, where string) {
	kinds := map[prometheus.ValueType]string{prometheus.CounterValue: "counter", prometheus.GaugeValue: "gauge"}
	for _, m := range table {
		if seen[m.name] || !metricName.MatchString(m.name) || otherUnits.MatchString(m.name) {
			t.Errorf("the name %s came before, or is none that Prometheus users expect", m.name)
		}
		if !strings.HasSuffix(m.help, ".") || strings.Contains(m.help, "|") {
			t.Errorf("%s: %q is no sentence for the page", m.name, m.help)
		}
		seen[m.name] = true
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", m.name, kinds[kindOf(m.name)], strings.Join(labels, ", "), m.help, where)
	}
}

// TestEveryNumberIsShown: a number that is added to one of the storage's snapshots must get its line, and each line shows one.
func TestEveryNumberIsShown(t *testing.T) {
	shown(t, connectionMetrics)
	shown(t, bookieMetrics)
	shown(t, logMetrics)
	shown(t, serverMetrics)
	shown(t, answerMetrics)
	shown(t, remoteMetrics)
	shown(t, clockMetrics)
	shown(t, ledgerMetrics)
	shown(t, managedMetrics)
	shown(t, metaMetrics)
}

// shown sets one number of a snapshot after the other and looks for exactly one metric that tells it.
func shown[T any](t *testing.T, table []metric[T]) {
	values := func(snapshot *T) (list []float64) {
		for _, m := range table {
			list = append(list, m.value(snapshot))
		}
		return list
	}
	var zero T
	before := values(&zero)
	told := map[int]bool{}
	for _, path := range numbers(reflect.TypeFor[T]()) {
		var snapshot T
		want := 1.0
		switch f := reflect.ValueOf(&snapshot).Elem().FieldByIndex(path); f.Kind() {
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Float64:
			f.SetFloat(77)
			want = 77
		case reflect.Uint64:
			f.SetUint(77)
			want = 77
		default:
			f.SetInt(77)
			want = 77
		}
		var changed []int
		for i, v := range values(&snapshot) {
			if v != before[i] {
				changed = append(changed, i)
			}
			if v != before[i] && v != want {
				t.Errorf("%s tells %v, want %v", table[i].name, v, want)
			}
		}
		if len(changed) != 1 || told[changed[0]] {
			t.Errorf("field %s of %T is told by %d metrics", reflect.TypeFor[T]().FieldByIndex(path).Name, snapshot, len(changed))
			continue
		}
		told[changed[0]] = true
	}
	if len(told) != len(table) {
		t.Errorf("%T: %d metrics tell something, of %d", zero, len(told), len(table))
	}
}

// numbers are the paths to all fields of a struct and of those in it. A map is no number: its values have series of their own.
func numbers(t reflect.Type) (paths [][]int) {
	for i := range t.NumField() {
		switch t.Field(i).Type.Kind() {
		case reflect.Struct:
			for _, below := range numbers(t.Field(i).Type) {
				paths = append(paths, append([]int{i}, below...))
			}
		case reflect.Map:
		default:
			paths = append(paths, []int{i})
		}
	}
	return paths
}

func TestUnknownDiskSpaceIsNotShown(t *testing.T) {
	for _, m := range logMetrics {
		if m.name == "strobe_bookie_log_disk_free_bytes" {
			if unknown, full := m.value(&segment.Metrics{DiskFree: -1}), m.value(&segment.Metrics{}); !math.IsNaN(unknown) || full != 0 {
				t.Errorf("%v and %v", unknown, full)
			}
			return
		}
	}
	t.Error("no such metric")
}

// TestMetricsAreDocumented compares what a server with three bookies shows with the page, whoever registered it.
func TestMetricsAreDocumented(t *testing.T) {
	p := start(t, t.TempDir(), "127.0.0.1:0", "127.0.0.1:0", "--bookies", "3")
	defer p.stop(t)
	client := stockClient(t, p.Pulsar)
	defer client.Close()
	producer := check[pulsar.Producer](t, "producer")(client.CreateProducer(pulsar.ProducerOptions{Topic: "counted"}))
	check[pulsar.MessageID](t, "send")(producer.Send(t.Context(), &pulsar.ProducerMessage{Payload: []byte("one")}))
	producer.Close()
	text := get(t, p.HTTP+"/metrics")
	doc, err := os.ReadFile(metricsDoc)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range documentedMetrics(string(doc), "standalone") {
		series := len(regexp.MustCompile(`(?m)^`+m.name+`(\{| )`).FindAllString(text, -1))
		if m.labels == "" && series != 1 || m.labels == "bookie" && (series != 3 || strings.Count(text, "\n"+m.name+`{bookie="`) != 3) {
			t.Errorf("%s: %d series on three bookies", m.name, series)
		}
	}
	sameMetrics(t, "standalone", text)
	for _, m := range []string{"strobe_bookie_entries_total", "strobe_bookie_log_syncs_total"} {
		if n := len(regexp.MustCompile(`(?m)^`+m+`\{bookie="[^"]+"\} [1-9]`).FindAllString(text, -1)); n < 2 {
			t.Errorf("%s counts on %d bookies after a message with an ack quorum of 2", m, n)
		}
	}
}

// documentedMetric is a row of the page.
type documentedMetric struct{ name, kind, labels string }

// documentedMetrics are those that the page says a process of this role shows.
func documentedMetrics(doc, role string) (list []documentedMetric) {
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\S+)` \\| (\\w+) \\| ([\\w, ]*) \\|.*\\| ([\\w, ]+) \\|$").FindAllStringSubmatch(doc, -1) {
		if slices.Contains(strings.Split(m[4], ", "), role) {
			list = append(list, documentedMetric{m[1], m[2], m[3]})
		}
	}
	return list
}

// sameMetrics compares what a process of a role shows with the page, whoever registered it.
func sameMetrics(t *testing.T, role, text string) {
	t.Helper()
	doc, err := os.ReadFile(metricsDoc)
	if err != nil {
		t.Fatal(err)
	}
	var documented, served []string
	for _, m := range documentedMetrics(string(doc), role) {
		documented = append(documented, m.name+" "+m.kind)
	}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+ \S+)$`).FindAllStringSubmatch(text, -1) {
		if name := m[1]; !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") {
			served = append(served, name)
		}
	}
	slices.Sort(documented)
	if slices.Sort(served); !slices.Equal(served, documented) {
		t.Errorf("what a %s serves and what is documented differ:\n%s", role, difference(strings.Join(documented, "\n"), strings.Join(served, "\n")))
	}
}

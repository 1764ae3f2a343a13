package worker

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/functions"
)

// TestBadFunctionsAreRefusedByField: the answer has a code, names the field, and nothing is stored.
func TestBadFunctionsAreRefusedByField(t *testing.T) {
	w := newWorld(t)
	l := w.live(0, false)
	defer l.end()
	for config, field := range map[string]string{
		`{"inputs":["in","a/b"]}`:                                                    "inputs:",
		`{"inputs":[""]}`:                                                            "inputs:",
		`{"inputs":["in\u0000"]}`:                                                    "inputs:",
		`{"inputs":["persistent://t/n/a/b"]}`:                                        "inputs:",
		`{"inputSpecs":{"topic://t/n/x":{}}}`:                                        "inputSpecs:",
		`{"customSerdeInputs":{"http://t/n/x":""}}`:                                  "customSerdeInputs:",
		`{"customSchemaInputs":{"persistent://t":""}}`:                               "customSchemaInputs:",
		`{"inputs":["in"],"output":"persistent://t/n/"}`:                             "output:",
		`{"inputs":["in"],"output":"a b/c/d"}`:                                       "output:",
		`{"inputs":["in"],"output":" "}`:                                             "output:",
		`{"inputs":["in"],"output":"out\n"}`:                                         "output:",
		`{"inputs":["in"],"output":"` + strings.Repeat("o", 3000) + `"}`:             "output:",
		`{"inputs":["in"],"logTopic":"x://y"}`:                                       "logTopic:",
		`{"inputs":["in"],"deadLetterTopic":"../x/y"}`:                               "deadLetterTopic:",
		`{"inputs":["in"],"subName":"a\u0007b"}`:                                     "subName",
		`{"inputs":["in"],"subName":"pulsar.dedup"}`:                                 "subName",
		`{"inputs":["in"],"subName":"__compaction"}`:                                 "subName",
		`{"inputs":["in"],"subName":"` + strings.Repeat("s", 501) + `"}`:             "subName",
		`{"inputs":["in"],"timeoutMs":9223372036854775807}`:                          "timeoutMs",
		`{"inputs":["in"],"timeoutMs":9223372036855}`:                                "timeoutMs", // times a million it overflows to a small number
		`{"inputs":["in"],"timeoutMs":86400001}`:                                     "timeoutMs",
		`{"inputs":["in"],"timeoutMs":-1}`:                                           "timeoutMs",
		`{"inputs":["in"],"customRuntimeOptions":"{\"deadlineMs\":18446744073710}"}`: "customRuntimeOptions.deadlineMs",
		`{"inputs":["in"],"maxMessageRetries":9223372036854775807}`:                  "attempts",
		`{"inputs":["in"],"customRuntimeOptions":"{\"maxAttempts\":1001}"}`:          "attempts",
		`{"inputs":["in"],"customRuntimeOptions":"{\"memoryBytes\":4294967297}"}`:    "memory",
		`{"inputs":["in"],"resources":{"cpu":1,"ram":9223372036854775807,"disk":0}}`: "memory",
		`{"inputs":["in"],"parallelism":1001}`:                                       "parallelism",
		`{"inputs":["in"],"parallelism":-1}`:                                         "parallelism",
	} {
		code, text := l.call("POST", "functions/t/n/f", config, []byte("module"))
		a := errorOf(t, text)
		if code != http.StatusBadRequest || a.Code != fault.WorkerBadConfig.Code || a.Fix == "" || !strings.Contains(a.Reason, field) {
			t.Errorf("%.100s: %d %s, want %s", config, code, text, field)
		}
	}
	if names, err := l.store.names(t.Context(), functions.KindFunction, "t", "n"); err != nil || len(names) != 0 || len(w.copies) != 0 {
		t.Errorf("stored: %v, %v %v", names, w.copies, err)
	}
	for _, config := range []string{
		`{"inputs":["in"],"timeoutMs":86400000}`, `{"inputs":["in"],"timeoutMs":0}`, `{"inputs":["other/ns/in-partition-0"],"output":"non-persistent://t/n/ü x%?*"}`,
		`{"inputs":["in"],"subName":"a b/c","maxMessageRetries":-1}`,
	} {
		if code, text := l.call("POST", "functions/t/n/f", config, []byte("module")); code != http.StatusNoContent {
			t.Errorf("%s: %d %s", config, code, text)
		}
		l.call("DELETE", "functions/t/n/f", "", nil)
	}
}

// sourceType is a connector that writes where its option topic says.
var sourceType = connectors.Type{Name: "fixed", Options: []connectors.Option{{Key: "topic", Type: "string"}}, Guarantee: connectors.AtLeastOnce,
	NewSource: func(map[string]any, connectors.Env) (connectors.Source, error) { return nil, nil },
	Check: func(_ context.Context, _ map[string]any, env connectors.Env) ([]connectors.Problem, error) {
		_, err := env.Checkpoints.Load(context.Background())
		return nil, err
	},
	Targets: func(config map[string]any) []string {
		topic, _ := config["topic"].(string)
		return []string{topic}
	}}

func TestBadSourcesAreRefusedByField(t *testing.T) {
	w := newWorld(t)
	l := w.live(0, false)
	defer l.end()
	l.o.Connectors = []connectors.Type{sourceType}
	for config, field := range map[string]string{
		`{"sourceType":"fixed","configs":{"topic":"persistent://t x/n/a"}}`:                                             "configs.topic:",
		`{"sourceType":"fixed","configs":{"topic":"a/b"}}`:                                                              "configs.topic:",
		`{"sourceType":"fixed","configs":{"topic":"a\u0001"}}`:                                                          "configs.topic:",
		`{"sourceType":"fixed","configs":{"topic":"a"},"logTopic":"x/y"}`:                                               "logTopic:",
		`{"sourceType":"fixed","configs":{"topic":"a"},"customRuntimeOptions":"{\"deadLetter\":\"x/y\"}"}`:              "customRuntimeOptions.deadLetter:",
		`{"sourceType":"fixed","configs":{"topic":"a"},"customRuntimeOptions":"{\"maxAttempts\":9223372036854775807}"}`: "attempts",
	} {
		code, text := l.call("POST", "sources/t/n/s", config, nil)
		if a := errorOf(t, text); code != http.StatusBadRequest || a.Code != fault.WorkerBadConfig.Code || !strings.Contains(a.Reason, field) {
			t.Errorf("%s: %d %s, want %s", config, code, text, field)
		}
	}
	if code, text := l.call("POST", "sources/t/n/s", `{"sourceType":"fixed","configs":{"topic":"outbox.event.*"}}`, nil); code != http.StatusNoContent {
		t.Errorf("%d %s", code, text)
	}
}

// TestACheckIsJudgedByTheNameInItsBody: tenant, namespace and name reach metadata keys and the authorisation as those of a path do.
func TestACheckIsJudgedByTheNameInItsBody(t *testing.T) {
	w := newWorld(t)
	l := w.live(0, false)
	defer l.end()
	l.o.Connectors = []connectors.Type{sourceType}
	var asked []string
	l.o.Authorize = func(_ *http.Request, _, resource string) error {
		asked = append(asked, resource)
		if strings.HasPrefix(resource, "sources/secret/") {
			return fault.AdminOrigin.New("no")
		}
		return nil
	}
	check := func(body string) (int, string) {
		rec := httptest.NewRecorder()
		l.Handler().ServeHTTP(rec, httptest.NewRequest("POST", "/admin/v3/sources/check", strings.NewReader(body)))
		return rec.Code, rec.Body.String()
	}
	for _, name := range []string{
		`"tenant":"","namespace":"n","name":"s"`, `"tenant":"t","namespace":"","name":"s"`, `"tenant":"t","namespace":"n"`, `"tenant":"..","namespace":"n","name":"s"`,
		`"tenant":"t","namespace":"n/../x","name":"s"`, `"tenant":"t","namespace":"n","name":"a\u0000"`, `"tenant":"t","namespace":"n","name":"` + strings.Repeat("s", 201) + `"`,
	} {
		code, text := check(`{` + name + `,"sourceType":"fixed","configs":{"topic":"a"}}`)
		if a := errorOf(t, text); code != http.StatusBadRequest || a.Code != fault.WorkerBadConfig.Code {
			t.Errorf("%.60s: %d %s", name, code, text)
		}
	}
	if code, text := check(`{"tenant":"secret","namespace":"n","name":"s","sourceType":"fixed","configs":{"topic":"a"}}`); code != http.StatusForbidden {
		t.Errorf("%d %s, asked for %v", code, text, asked)
	}
	if code, text := check(`{"tenant":"t","namespace":"n","name":"s","sourceType":"fixed","configs":{"topic":"a"}}`); code != http.StatusOK {
		t.Errorf("%d %s", code, text)
	}
	code, text := check(`{"tenant":"t","configs":{"x":"` + strings.Repeat("x", maxConfig) + `"}}`)
	if a := errorOf(t, text); code != http.StatusRequestEntityTooLarge || a.Code != fault.WorkerTooLarge.Code {
		t.Errorf("%d %.200s", code, text)
	}
}

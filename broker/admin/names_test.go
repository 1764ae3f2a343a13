package admin

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/strobemq/strobe/internal/fault"
)

// TestNamesWithControlCharactersAreNotBegun: whatever makes a topic, a subscription or a role refuses such a name before it asks anything of the
// rooms behind (there are none here).
func TestNamesWithControlCharactersAreNotBegun(t *testing.T) {
	a := New(Options{})
	for _, c := range []struct {
		method, path string
		want         *fault.Fault
	}{
		{"PUT", "/admin/v2/persistent/t/n/%00", fault.TopicName},
		{"PUT", "/admin/v2/persistent/t/n/a%0Ab", fault.TopicName},
		{"PUT", "/admin/v2/persistent/t/n/%7F", fault.TopicName},
		{"PUT", "/admin/v2/persistent/t/n/%C2%85", fault.TopicName}, // next line, a control character of Latin-1
		{"PUT", "/admin/v2/persistent/t/n/%FF", fault.TopicName},
		{"PUT", "/admin/v2/persistent/t%00/n/a", fault.TopicName},
		{"PUT", "/admin/v2/persistent/t/n%09/a", fault.TopicName},
		{"PUT", "/admin/v2/persistent/t/n/a%2Fb", fault.TopicName},
		{"PUT", "/admin/v2/non-persistent/t/n/%1B", fault.TopicName},
		{"PUT", "/admin/v2/persistent/t/n/%00/partitions", fault.TopicName},
		{"POST", "/admin/v2/persistent/t/n/%00/partitions", fault.TopicName},
		{"GET", "/admin/v2/persistent/t/n/%00/partitions?checkAllowAutoCreation=true", fault.TopicName},
		{"PUT", "/admin/v2/persistent/t/n/%00/subscription/s", fault.TopicName},
		{"PUT", "/admin/v2/persistent/t/n/a/subscription/%00", fault.AdminParameter},
		{"PUT", "/admin/v2/persistent/t/n/a/subscription/%FF", fault.AdminParameter},
		{"PUT", "/admin/v2/persistent/t/n/a/subscription/" + strings.Repeat("s", maxName+1), fault.AdminParameter},
		{"POST", "/admin/v2/schemas/t/n/%00/schema", fault.TopicName},
		{"POST", "/admin/v2/persistent/t/n/%00/retention", fault.TopicName},
		{"POST", "/admin/v2/namespaces/t/n/permissions/a%00", fault.AdminParameter},
	} {
		w := httptest.NewRecorder()
		a.ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		var out struct{ Code, Fix string }
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || out.Code != c.want.Code || out.Fix == "" || w.Code != status(c.want.New("")) {
			t.Errorf("%s %s: %d %s, want %s", c.method, c.path, w.Code, w.Body, c.want.Code)
		}
	}
}

// TestNamesThatApacheTakesAreTaken: what stands in a path of Pulsar's own tools names a topic, and one with a control character, which only a
// client can have made, can still be looked at and deleted.
func TestNamesThatApacheTakesAreTaken(t *testing.T) {
	for path, want := range map[string]string{
		"plain":                 "plain",
		"a%20b":                 "a b",
		"%C3%BC%E2%82%AC":       "ü€",
		"a%25b%3Fc%23d":         "a%b?c#d",
		"a:b=c._-~*'()!$&,;@+d": "a:b=c._-~*'()!$&,;@+d",
		"a%5Cb%22%3C%3E%7C":     `a\b"<>|`,
		"%F0%9F%98%80":          "😀",
		"t-partition-3":         "t-partition-3",
		"__change_events":       "__change_events",
	} {
		var begun, known string
		mux := http.NewServeMux()
		mux.HandleFunc("PUT /admin/v2/persistent/{tenant}/{namespace}/{topic}", func(w http.ResponseWriter, r *http.Request) {
			q := &request{Request: r, w: w}
			n, err := q.newTopic()
			if err != nil {
				t.Errorf("%s: %v", path, err)
			}
			begun = n.Local
			n, err = q.topic()
			if err != nil {
				t.Errorf("%s: %v", path, err)
			}
			known = n.Local
		})
		mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("PUT", "/admin/v2/persistent/my-tenant/ns=1:2.3_/"+path, nil))
		if begun != want || known != want {
			t.Errorf("%s: %q and %q, want %q", path, begun, known, want)
		}
	}
	r := httptest.NewRequest("DELETE", "/admin/v2/persistent/t/n/x", nil)
	r.SetPathValue("tenant", "t")
	r.SetPathValue("namespace", "n")
	r.SetPathValue("topic", "a\x00")
	if n, err := (&request{Request: r, w: nil}).topic(); err != nil || n.Local != "a\x00" {
		t.Errorf("%q %v", n.Local, err)
	}
}

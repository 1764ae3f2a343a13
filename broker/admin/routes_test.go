package admin

import (
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/protocol/admin.md")

const page = "../../docs/protocol/admin.md"

// The page of supported paths is written from the table; go test ./broker/admin -update.
func TestPageOfPathsIsFresh(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Admin REST that is served\n\nWritten from broker/admin/routes.go (`go test ./broker/admin -update`). Everything else answers 404 with STB-ADMIN-0003.\n" +
		"Functions and sources (/admin/v3) are in runtime/worker/rest.go; besides them: /metrics, /healthz, /readyz.\n" +
		"Paths under /strobe/v1 are Strobe's own, where Pulsar has none; what they answer stands in broker/admin/bookies.go and ledgers.go.\n\n| method | path | permission |\n|---|---|---|\n")
	for _, r := range (&API{}).routes() {
		b.WriteString("| " + r.method + " | " + r.path + " | " + string(r.action) + " |\n")
	}
	if *update {
		if err := os.WriteFile(page, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(page); err != nil || string(have) != b.String() {
		t.Errorf("%s is stale: go test ./broker/admin -update (%v)", page, err)
	}
}

func TestUnknownPathsSayWhatIsServed(t *testing.T) {
	a := New(Options{})
	for _, path := range []string{"/", "/admin/v2/nothing", "/admin/v2/persistent/t/n/topic/compaction"} {
		w := httptest.NewRecorder()
		a.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "STB-ADMIN-0003") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

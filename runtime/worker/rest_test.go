package worker

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/strobemq/strobe/runtime/functions"
	"github.com/strobemq/strobe/storage/meta/memory"
)

// noArtifacts keeps nothing.
type noArtifacts struct{}

func (noArtifacts) Put(context.Context, []byte) (functions.Artifact, error) {
	return functions.Artifact{}, nil
}
func (noArtifacts) Fetch(context.Context, functions.Artifact) (string, error) { return "", nil }
func (noArtifacts) Delete(context.Context, functions.Artifact) error          { return nil }
func (noArtifacts) List(context.Context) ([]functions.Artifact, error)        { return nil, nil }

// TestBadRequestsAreTheClientsFault: names that would reach other keys or files, and bodies cut off, are 400 with a code.
func TestBadRequestsAreTheClientsFault(t *testing.T) {
	m := memory.New()
	defer m.Close()
	w := New(Options{Meta: m, Artifacts: noArtifacts{}, MaxUpload: 1 << 20})
	for _, c := range []struct{ method, path, kind, body string }{
		{"GET", "/admin/v3/functions/public/default/a%2Fb", "", ""},
		{"GET", "/admin/v3/functions/pub%2Flic/default", "", ""},
		{"GET", "/admin/v3/functions/public/default/..%2F..%2Fx/logs", "", ""},
		{"DELETE", "/admin/v3/sources/public/default/%2e%2e", "", ""},
		{"POST", "/admin/v3/functions/public/default/a%00", "", ""},
		{"POST", "/admin/v3/functions/public/default/" + strings.Repeat("n", 201), "", ""},
		{"POST", "/admin/v3/functions/public/default/f", "multipart/form-data; boundary=x", "--x\ngarbage"},
		{"POST", "/admin/v3/functions/public/default/f", "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\ncut"},
		{"POST", "/admin/v3/functions/public/default/f", "multipart/form-data", "x"},
	} {
		r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
		r.Header.Set("Content-Type", c.kind)
		rec := httptest.NewRecorder()
		w.Handler().ServeHTTP(rec, r)
		var out struct{ Code, Reason string }
		if err := json.Unmarshal(rec.Body.Bytes(), &out); err != nil || rec.Code != http.StatusBadRequest || out.Code == "" {
			t.Errorf("%s %s %q: %d %s", c.method, c.path, c.body, rec.Code, rec.Body)
		}
	}
}

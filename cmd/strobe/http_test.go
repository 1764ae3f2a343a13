package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/strobemq/strobe/internal/config"
)

// A page in a browser on this machine can send requests to the loopback port; it must not get through.
func TestForeignPagesAreRefused(t *testing.T) {
	c := config.New()
	c.HTTP.Origins = []string{"https://console.example"}
	c.HTTP.Hosts = []string{"strobe.internal"}
	n := &node{o: nodeOptions{config: c, advertise: "broker.lan"}}
	h := n.guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	for _, x := range []struct {
		what, host, origin string
		want               int
	}{
		{"a command-line tool", "127.0.0.1:8080", "", 204},
		{"by name", "localhost:8080", "", 204},
		{"IPv6", "[::1]:8080", "", 204},
		{"the advertised name", "broker.lan:8080", "", 204},
		{"an allowed name", "strobe.internal", "", 204},
		{"a page of this server", "127.0.0.1:8080", "http://127.0.0.1:8080", 204},
		{"an allowed page", "127.0.0.1:8080", "https://console.example", 204},
		{"a foreign page", "127.0.0.1:8080", "https://evil.example", 403},
		{"a page of another port", "127.0.0.1:8080", "http://127.0.0.1:3000", 403},
		{"a sandboxed page", "127.0.0.1:8080", "null", 403},
		{"a name that was made to resolve here", "evil.example:8080", "", 403},
		{"the same with its own page", "evil.example:8080", "http://evil.example:8080", 403},
		{"no host", "", "", 403},
	} {
		r := httptest.NewRequest("POST", "/admin/v3/functions/public/default/x", nil)
		r.Host = x.host
		if x.origin != "" {
			r.Header.Set("Origin", x.origin)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != x.want {
			t.Errorf("%s: %d, want %d", x.what, w.Code, x.want)
		}
		if x.want == 403 && !strings.Contains(w.Body.String(), "STB-ADMIN-0004") {
			t.Errorf("%s: %s", x.what, w.Body)
		}
	}
}

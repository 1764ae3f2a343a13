package etcdtest

import (
	"context"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

func TestVersion(t *testing.T) {
	text, err := os.ReadFile("server/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if want := "go.etcd.io/etcd/server/v3 v" + Version + "\n"; !strings.Contains(string(text), want) {
		t.Errorf("server/go.mod lacks %q", want)
	}
}

// A member that was killed or stopped comes back at its address with what it held.
func TestRestart(t *testing.T) {
	c := New(t, 1)
	m := c.Members[0]
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	revision := func() string {
		t.Helper()
		var answer struct{ Header struct{ Revision string } }
		if err := m.ask(ctx, http.MethodPost, "/v3/maintenance/status", &answer); err != nil {
			t.Fatal(err)
		}
		return answer.Header.Revision
	}
	url, first := c.URL(), revision()
	for _, end := range []func(){m.Kill, m.Stop} {
		end()
		if m.running() {
			t.Fatal("it runs still")
		}
		if err := m.Start(); err != nil {
			t.Fatal(err)
		}
		if err := m.Start(); err == nil {
			t.Fatal("started twice")
		}
		if err := c.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		if leader, err := c.Leader(ctx); err != nil || leader != m {
			t.Fatalf("%v leads, %v", leader, err)
		}
	}
	if c.URL() != url || first == "" || revision() != first {
		t.Errorf("it came back at %s, was at %s; revision %s, was %s", c.URL(), url, revision(), first)
	}
}

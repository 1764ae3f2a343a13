package strobetest_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	strobe "github.com/strobemq/strobe/functions-sdk/golang"
	"github.com/strobemq/strobe/functions-sdk/golang/strobetest"
)

func handle(ctx *strobe.Context, m strobe.Message) error {
	ctx.Log().Info("got " + string(m.Payload))
	out := append([]byte(ctx.ConfigOr("greeting", "hello")+" "), m.Payload...)
	ctx.Emit(strobe.Message{Payload: out})
	copy(out, "xxxxxxxxxxxxxxx") // what was emitted stays as it was
	switch string(m.Payload) {
	case "bad":
		return strobe.Reject("bad")
	case "later":
		return errors.New("later")
	case "two":
		ctx.EmitTo("other", m)
	}
	return nil
}

func TestRun(t *testing.T) {
	r := strobetest.Run(t, handle, strobetest.Text("world"), strobetest.Config("greeting", "hi"))
	if r.Text() != "hi world" || !slices.Equal(r.Logs, []string{"INFO got world"}) {
		t.Errorf("got %+v", r)
	}
	if r := strobetest.Run(t, handle, strobetest.Text("bad")); !r.Rejected() || r.Retried() || len(r.Emitted) != 0 {
		t.Errorf("got %+v", r)
	}
	if r := strobetest.Run(t, handle, strobetest.Text("later")); r.Rejected() || !r.Retried() {
		t.Errorf("got %+v", r)
	}
	if r := strobetest.Run(t, handle, strobetest.Text("two")); r.Text() != "" || len(r.Emitted) != 2 || r.Emitted[1].Topic != "other" {
		t.Errorf("got %+v", r)
	}
}

func TestEvents(t *testing.T) {
	file := filepath.Join(t.TempDir(), "events")
	if err := os.WriteFile(file, []byte("one\r\n\ntwo"), 0o644); err != nil {
		t.Fatal(err)
	}
	list := strobetest.Events(t, file)
	if len(list) != 2 || string(list[0].Payload) != "one" || string(list[1].Payload) != "two" {
		t.Errorf("got %v", list)
	}
}

package strobe

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// frames reads a golden file: hex bytes, with comments behind #.
func frame(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var digits strings.Builder
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// run runs a handler as a guest on a request.
func run(t testing.TB, h Handler, request []byte) []byte {
	t.Helper()
	old := handler
	handler = h
	defer func() { handler = old }()
	g := newGuest(func(string) (string, bool) { return "", false }, func(uint32, string) {})
	return bytes.Clone(g.process(request))
}

// The golden request makes a guest that does all it can answer the golden reply, byte for byte; the host reads and writes the same files.
func TestGoldenFrames(t *testing.T) {
	var seen []string
	got := run(t, func(ctx *Context, m Message) error {
		seen = append(seen, fmt.Sprintf("%s %v %q %q null=%v %v %d %d %d", m.Topic, m.ID, m.Key, m.Payload, m.Null, m.Properties,
			m.EventTime, m.PublishTime, m.Redelivery))
		switch len(seen) {
		case 1:
			ctx.Emit(m)
			ctx.EmitTo("other", Message{Key: []byte{}, Null: true})
			return nil
		case 2:
			ctx.Emit(m) // is dropped
			return Reject("bad")
		}
		return errors.New("later")
	}, frame(t, "request.hex"))
	want := []string{
		`persistent://t/n/in {3 4 5 6} "k" "value" null=false [{a 1}] 1700000000123 1700000000456 2`,
		`persistent://t/n/in {3 5 -1 -1} "" "" null=true [] 0 1700000000457 0`,
		`persistent://t/n/i2 {9 0 -1 -1} "" "" null=false [] 0 1700000000458 0`,
	}
	for i := range want {
		if seen[i] != want[i] {
			t.Errorf("message %d:\n got %s\nwant %s", i, seen[i], want[i])
		}
	}
	if golden := frame(t, "reply.hex"); !bytes.Equal(got, golden) {
		t.Errorf("reply\n%x\nwant\n%x", got, golden)
	}
}

func TestVerdicts(t *testing.T) {
	wrapped := fmt.Errorf("around: %w", Reject("x"))
	for _, c := range []struct {
		err    error
		status uint32
		text   string
	}{
		{nil, statusOK, ""}, {errors.New("x"), statusRetry, "x"}, {Retry("x"), statusRetry, "x"}, {Reject("x"), statusReject, "x"},
		{wrapped, statusReject, "around: x"},
	} {
		if status, text := verdictOf(c.err); status != c.status || text != c.text {
			t.Errorf("%v: %d %q", c.err, status, text)
		}
	}
	if !Rejected(wrapped) || Rejected(nil) || Rejected(errors.New("x")) {
		t.Error("Rejected")
	}
}

func TestTextThatIsNone(t *testing.T) {
	got := run(t, func(ctx *Context, m Message) error {
		ctx.Emit(Message{Properties: Properties{{"k\xff", "v"}}})
		return nil
	}, frame(t, "request.hex"))
	if bytes.Contains(got, []byte{0xff, 'v'}) || !bytes.Contains(got, []byte("k\uFFFDv")) {
		t.Errorf("reply %q", got)
	}
}

func TestProperties(t *testing.T) {
	p := Properties{{"a", "1"}, {"b", "2"}}
	q := p.With("b", "3").With("c", "4")
	if v, ok := q.Get("b"); !ok || v != "3" {
		t.Error(q)
	}
	if v, ok := p.Get("b"); !ok || v != "2" {
		t.Error("the original changed")
	}
	if _, ok := q.Get("d"); ok || len(q) != 3 {
		t.Error(q)
	}
}

func TestHandleTwice(t *testing.T) {
	old := handler
	defer func() { handler = old; _ = recover() }()
	handler = nil
	h := func(*Context, Message) error { return nil }
	Handle(h)
	Handle(h)
	t.Error("a second handler was taken")
}

func FuzzRequest(f *testing.F) {
	f.Add(frame(f, "request.hex"))
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		defer func() {
			if r := recover(); r != nil && r != errFrame {
				panic(r)
			}
		}()
		run(t, func(ctx *Context, m Message) error { ctx.Emit(m); return nil }, b)
	})
}

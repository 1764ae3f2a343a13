package wasm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/internal/fault"
)

const (
	inTopic  = "persistent://public/default/in"
	outTopic = "persistent://public/default/out"
)

// unruly starts the guest that does what it is told; its log lines go to the buffer.
func unruly(t *testing.T, o Options) (*Processor, *bytes.Buffer) {
	t.Helper()
	var logs bytes.Buffer
	o.Logs = slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	if o.Namespace == "" {
		o.Namespace = "public/default"
	}
	if o.Output == "" {
		o.Output = outTopic
	}
	p, err := testEngine.New(t.Context(), unrulyGuest, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p, &logs
}

func records(payloads ...string) []connectors.Record {
	var in []connectors.Record
	for _, p := range payloads {
		in = append(in, connectors.Record{Topic: inTopic, Payload: []byte(p), ID: connectors.MessageID{Ledger: 3, Entry: 4, Batch: -1, Partition: -1}})
	}
	return in
}

func payloads(outputs []connectors.Output) []string {
	var all []string
	for _, o := range outputs {
		all = append(all, string(o.Record.Payload))
	}
	return all
}

func mustProcess(t *testing.T, p *Processor, in ...connectors.Record) ([]connectors.Output, []connectors.Result) {
	t.Helper()
	out, res, err := p.Process(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if len(res) != len(in) {
		t.Fatalf("%d results for %d inputs", len(res), len(in))
	}
	return out, res
}

func TestGuestSeesTheWholeRecord(t *testing.T) {
	p, _ := unruly(t, Options{})
	out, _ := mustProcess(t, p, connectors.Record{
		Topic: inTopic, Payload: []byte("describe"), Key: []byte{}, HasKey: true,
		Properties: []connectors.Property{{Key: "a", Value: "1"}, {Key: "", Value: ""}, {Key: "ä", Value: "→"}},
		EventTime:  1700000000123, PublishTime: 1700000000456, Redelivery: 7,
		ID: connectors.MessageID{Ledger: 1 << 40, Entry: 5, Batch: 2, Partition: 3},
	})
	want := inTopic + ` {1099511627776 5 2 3} key="" props=[{a 1} { } {ä →}] event=1700000000123 publish=1700000000456 redelivery=7 null=false`
	if got := payloads(out); len(got) != 1 || got[0] != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if o := out[0].Record; o.Topic != outTopic || !o.HasKey || len(o.Key) != 0 || len(o.Properties) != 3 || o.Properties[2].Value != "→" || o.EventTime != 1700000000123 {
		t.Errorf("output %+v", o)
	}
}

func TestOutputsVerdictsAndTopics(t *testing.T) {
	p, _ := unruly(t, Options{Config: map[string]string{"greeting": strings.Repeat("hello ", 100)}})
	out, res := mustProcess(t, p, records("echo a", "twice other", "reject bad day", "nothing", "retry later", "error oops", "twice a/b", "null", "config greeting", "config none")...)
	type line struct {
		input int
		topic string
		text  string
	}
	var got []line
	for _, o := range out {
		got = append(got, line{o.Input, o.Record.Topic, string(o.Record.Payload)})
	}
	want := []line{
		{0, outTopic, "echo a"},
		{1, outTopic, "twice other"}, {1, "persistent://public/default/other", "twice other"},
		{7, outTopic, ""},
		{8, outTopic, fmt.Sprintf("%q true", strings.Repeat("hello ", 100))},
		{9, outTopic, `"" false`},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if !out[3].Record.Null {
		t.Error("the null value is not null")
	}
	for i, want := range map[int]connectors.Result{
		0: {}, 1: {}, 3: {},
		2: {Verdict: connectors.Reject, Reason: "bad day"},
		4: {Verdict: connectors.Again, Reason: "later"},
		5: {Verdict: connectors.Again, Reason: "oops"},
	} {
		if res[i] != want {
			t.Errorf("result %d is %+v, want %+v", i, res[i], want)
		}
	}
	if res[6].Verdict != connectors.Reject || !strings.Contains(res[6].Reason, fault.FunctionTopicName.Code) {
		t.Errorf("a bad topic name gave %+v", res[6])
	}
}

func TestNoOutputTopic(t *testing.T) {
	p, _ := unruly(t, Options{})
	p.result.output = ""
	p.options.Output = ""
	out, res := mustProcess(t, p, records("echo a", "nothing", "twice other")...)
	if len(out) != 0 || res[1].Verdict != connectors.Accept {
		t.Errorf("got %v %v", out, res)
	}
	for _, i := range []int{0, 2} {
		if res[i].Verdict != connectors.Reject || !strings.Contains(res[i].Reason, fault.FunctionNoOutput.Code) {
			t.Errorf("result %d is %+v", i, res[i])
		}
	}
}

// Each kind of misbehaviour is stopped, explained, and followed by a fresh guest that works.
func TestMisbehaviour(t *testing.T) {
	for _, c := range []struct {
		payload string
		fault   *fault.Fault
		detail  string
	}{
		{"panic at the disco", fault.FunctionCrashed, "panic: at the disco"},
		{"index", fault.FunctionCrashed, "index out of range"},
		{"exit", fault.FunctionCrashed, "code 7"},
		{"loop", fault.FunctionDeadline, "after 300ms"},
		{"sleep 1h", fault.FunctionDeadline, "after 300ms"},
		{"allocate", fault.FunctionMemory, "more than 12 MiB"},
	} {
		t.Run(c.payload, func(t *testing.T) {
			o := Options{Deadline: time.Minute, MemoryBytes: 12 << 20}
			if c.fault == fault.FunctionDeadline {
				o.Deadline = 300 * time.Millisecond
			}
			p, _ := unruly(t, o)
			mustProcess(t, p, records("calls")...)
			out, res, err := p.Process(t.Context(), records("echo a", c.payload, "echo b"))
			if !fault.Has(err, c.fault) || !strings.Contains(err.Error(), c.detail) {
				t.Fatalf("got %v, want %s with %q", err, c.fault.Code, c.detail)
			}
			if out != nil || res != nil {
				t.Errorf("a failed call gave %v %v", out, res)
			}
			out, _ = mustProcess(t, p, records("calls", "echo b")...)
			if got := payloads(out); got[0] != "1" || got[1] != "echo b" {
				t.Errorf("the next guest answers %q", got)
			}
			if n := p.Metrics().Starts.Load(); n != 2 {
				t.Errorf("%d guests were started", n)
			}
		})
	}
}

func TestStoppedCallIsNoFault(t *testing.T) {
	p, _ := unruly(t, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, _, err := p.Process(ctx, records("loop"))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	mustProcess(t, p, records("echo a")...)
}

func TestSandbox(t *testing.T) {
	p, _ := unruly(t, Options{})
	before := time.Now().UnixMilli()
	out, _ := mustProcess(t, p, records("files", "environment", "time", "sleep 20ms")...)
	got := payloads(out)
	if got[0] != "true true" {
		t.Errorf("reading a file and a directory failed: %s", got[0])
	}
	if got[1] != "[][]" && got[1] != "[] []" {
		t.Errorf("arguments and environment are %q", got[1])
	}
	var at int64
	if _, err := fmt.Sscan(got[2], &at); err != nil || at < before || at > time.Now().UnixMilli() {
		t.Errorf("the guest's time is %s", got[2])
	}
}

func TestLogs(t *testing.T) {
	p, logs := unruly(t, Options{})
	mustProcess(t, p, records("log take care", "print hello")...)
	want := `level=WARN msg="take care"
level=DEBUG msg="calls: 1"
level=INFO msg=hello
level=WARN msg="half a line"
`
	if logs.String() != want {
		t.Errorf("got\n%swant\n%s", logs, want)
	}
}

func TestLogsOfAChatterboxAreCut(t *testing.T) {
	p, logs := unruly(t, Options{})
	mustProcess(t, p, records("chatter")...)
	n := strings.Count(logs.String(), "\n")
	if n < lineBurst || n > lineBurst+lineRate {
		t.Errorf("%d lines of 5000 came through", n)
	}
	p.logs.filled = p.logs.filled.Add(-time.Second)
	mustProcess(t, p, records("log again")...)
	if !strings.Contains(logs.String(), "lines were dropped here") {
		t.Error("nobody was told of the lines that were dropped")
	}
}

func TestBigRequestAndReply(t *testing.T) {
	p, _ := unruly(t, Options{})
	big := "echo " + strings.Repeat("x", 5<<20)
	for range 3 {
		out, _ := mustProcess(t, p, records("echo a", big, "echo b")...)
		if got := payloads(out); len(got) != 3 || got[1] != big || got[2] != "echo b" {
			t.Fatal("the big message came back changed")
		}
	}
}

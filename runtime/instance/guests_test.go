package instance_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/functions-sdk/archive"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/functions"
	"github.com/strobemq/strobe/runtime/instance"
	"github.com/strobemq/strobe/runtime/wasm"
)

// unruly builds the guest that does what its messages say, into the user's cache.
func unruly(t *testing.T) (*wasm.Engine, []byte) {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	cache = filepath.Join(cache, "strobe-test")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(cache, "unruly-loop.wasm")
	if err := archive.Build(t.Context(), "../wasm/testdata/guests/unruly", file); err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return wasm.NewEngine(wasm.EngineOptions{CacheDir: filepath.Join(cache, "compiled")}), module
}

// list is a source of a few records.
type list struct {
	records chan connectors.Record
	acked   sync.WaitGroup
}

func (l *list) Connect(context.Context) error { return nil }
func (l *list) Close() error                  { return nil }
func (l *list) Read(ctx context.Context) (connectors.Batch, error) {
	var b connectors.Batch
	select {
	case r := <-l.records:
		b.Records = append(b.Records, r)
	case <-ctx.Done():
		return b, ctx.Err()
	}
	for len(l.records) > 0 {
		b.Records = append(b.Records, <-l.records)
	}
	b.Ack = func(_ context.Context, done []int) error {
		n := len(done)
		if done == nil {
			n = len(b.Records)
		}
		l.acked.Add(-n)
		return nil
	}
	return b, nil
}

// shelf is a sink that keeps what arrives.
type shelf struct {
	mu      sync.Mutex
	arrived map[string][]connectors.Record
}

func (s *shelf) Connect(context.Context) error { return nil }
func (s *shelf) Close() error                  { return nil }
func (s *shelf) Write(_ context.Context, records []connectors.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range records {
		r.Payload = slices.Clone(r.Payload)
		s.arrived[r.Topic] = append(s.arrived[r.Topic], r)
	}
	return nil
}

// Real guests that misbehave in the middle of good messages: each is stopped, its message tried again and parked with the reason, and all the
// others come through.
func TestGuestsThatMisbehave(t *testing.T) {
	engine, module := unruly(t)
	bad := map[string]struct {
		attempts int
		reason   string
		code     string
	}{
		"loop":          {2, "after 200ms", fault.FunctionDeadline.Code},
		"sleep 1h":      {2, "after 200ms", fault.FunctionDeadline.Code},
		"panic boo":     {2, "panic: boo", fault.FunctionCrashed.Code},
		"exit":          {2, "code 7", fault.FunctionCrashed.Code},
		"allocate":      {2, "", ""}, // out of memory, or out of time on a slow machine
		"reject not me": {1, "not me", ""},
		"retry later":   {2, "later", ""},
		"twice a/b":     {1, "", fault.FunctionTopicName.Code},
	}
	src := &list{records: make(chan connectors.Record, 1000)}
	var want []string
	add := func(payload string) {
		n := len(want)
		src.acked.Add(1)
		src.records <- connectors.Record{Topic: "persistent://t/n/in", Payload: []byte(payload), ID: connectors.MessageID{Ledger: 1, Entry: int64(n), Batch: -1, Partition: -1}}
	}
	for payload := range bad {
		for range 10 {
			good := fmt.Sprintf("echo %d", len(want))
			want = append(want, good)
			add(good)
		}
		add(payload)
	}
	var logs strings.Builder
	sink := &shelf{arrived: map[string][]connectors.Record{}}
	events := slog.New(slog.NewTextHandler(&logs, nil))
	p, err := engine.New(t.Context(), module, wasm.Options{Namespace: "t/n", Output: "persistent://t/n/out", MemoryBytes: 8 << 20, Deadline: 200 * time.Millisecond, Logs: events})
	if err != nil {
		t.Fatal(err)
	}
	l, err := instance.Start(instance.Options{
		Spec:   functions.Spec{FQName: functions.FQName{Tenant: "t", Namespace: "n", Name: "f"}, Ordered: true, MaxAttempts: 2},
		Source: src, Processor: p, Sink: sink, Events: events, RecordBackoff: instance.Backoff{First: time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	src.acked.Wait()
	if err := l.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range sink.arrived["persistent://t/n/out"] {
		got = append(got, string(r.Payload))
	}
	if !slices.Equal(got, want) {
		t.Errorf("out has\n%q, want\n%q", got, want)
	}
	parked := sink.arrived["persistent://t/n/f-DLQ"]
	if len(parked) != len(bad) {
		t.Errorf("%d messages are parked, want %d", len(parked), len(bad))
	}
	for _, r := range parked {
		p, ok := functions.ReadParked(func(key string) string {
			for _, prop := range r.Properties {
				if prop.Key == key {
					return prop.Value
				}
			}
			return ""
		})
		want := bad[string(r.Payload)]
		if !ok || p.Attempts != want.attempts || !strings.Contains(p.Reason, want.reason) || want.code != "" && p.Code != want.code {
			t.Errorf("%q is parked as %+v, want %+v", r.Payload, p, want)
		}
	}
	if st, _ := l.Status(); st.Processed != int64(len(want)) || st.Parked != int64(len(bad)) || st.State != functions.StateStopped {
		t.Errorf("status %+v", st)
	}
	if !strings.Contains(logs.String(), "panic: boo") {
		t.Errorf("the log has no word of the panic:\n%s", &logs)
	}
}

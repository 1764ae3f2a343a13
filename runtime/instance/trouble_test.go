package instance

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/functions"
)

var errGone = errors.New("connection reset")

// failWrites makes that many writes fail.
func failWrites(n int, err error) func([]connectors.Record) error {
	return func([]connectors.Record) error {
		if n == 0 {
			return nil
		}
		n--
		return err
	}
}

// refuse makes writes of a payload to a topic fail with err, in a BatchError.
func refuse(topic, payload string, err error) func([]connectors.Record) error {
	return func(records []connectors.Record) error {
		failed := map[int]error{}
		for i, r := range records {
			if r.Topic == topic && strings.HasPrefix(string(r.Payload), payload) {
				failed[i] = err
			}
		}
		if len(failed) == 0 {
			return nil
		}
		return &connectors.BatchError{Failed: failed}
	}
}

func TestSinkComesBack(t *testing.T) {
	s := &scene{src: newSource("a", "b"), proc: &scriptedProcessor{}, sink: &scriptedSink{write: failWrites(3, errGone), connErr: []error{errGone, nil, errGone}}}
	play(t, s, nil, func() {
		s.wait(10 * time.Millisecond)
		if st := s.state(); st.State != functions.StateBackoff || !strings.Contains(st.Error, "reset") {
			t.Errorf("status %+v", st)
		}
		s.wait(10 * time.Second)
		s.expect(outTopic, "a", "b")
		s.expectAllAcked()
		st := s.state()
		if st.State != functions.StateRunning || st.Error != "" || st.SystemErrors != 5 || st.Parked != 0 || st.UserErrors != 0 {
			t.Errorf("status %+v", st)
		}
		if s.Metrics().Reconnects != 3 {
			t.Errorf("%d reconnects", s.Metrics().Reconnects)
		}
	})
}

func TestBackoffGrowsAndIsSpread(t *testing.T) {
	b := Backoff{First: 100 * time.Millisecond, Most: time.Second}
	for failures, middle := range map[int]time.Duration{1: 100, 2: 200, 4: 800, 5: 1000, 50: 1000} {
		middle *= time.Millisecond
		seen := map[time.Duration]bool{}
		for range 100 {
			d := b.after(failures)
			if d < middle*3/4 || d > middle*5/4 {
				t.Errorf("after %d failures: %v", failures, d)
			}
			seen[d] = true
		}
		if len(seen) < 50 {
			t.Errorf("%d different waits of 100", len(seen))
		}
	}
}

func TestRecordRefusedBySinkIsParked(t *testing.T) {
	bad := connectors.As(connectors.BadData, fault.FunctionTopicName.New("no such thing"))
	for name, write := range map[string]func([]connectors.Record) error{
		"in a BatchError": refuse(outTopic, "double", bad),
		"as a whole": func(records []connectors.Record) error {
			for _, r := range records {
				if r.Topic == outTopic && strings.HasPrefix(string(r.Payload), "double") {
					return bad
				}
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &scene{src: newSource("a", "double", "b"), proc: &scriptedProcessor{}, sink: &scriptedSink{write: write}}
			play(t, s, func(o *Options) { o.Spec.Ordered = true }, func() {
				s.wait(time.Second)
				s.expect(outTopic, "a", "b")
				s.expect(deadTopic, "double")
				s.expectAllAcked()
				r := s.sink.last(t, deadTopic)
				if !slices.Contains(r.Properties, connectors.Property{Key: functions.PropCode, Value: fault.FunctionTopicName.Code}) {
					t.Errorf("properties %v", r.Properties)
				}
				if st := s.state(); st.Parked != 1 || st.Processed != 2 || st.Written != 2 {
					t.Errorf("status %+v", st)
				}
			})
		})
	}
}

func TestRecordsThatDidNotArriveAreWrittenAgain(t *testing.T) {
	n := 0
	s := &scene{src: newSource("a", "b", "c"), proc: &scriptedProcessor{}}
	s.sink = &scriptedSink{write: func(records []connectors.Record) error {
		if n++; n <= 2 {
			return &connectors.BatchError{Failed: map[int]error{len(records) - 1: errGone}}
		}
		return nil
	}}
	play(t, s, nil, func() {
		s.wait(time.Second)
		s.expect(outTopic, "a", "b", "c")
		s.expectAllAcked()
	})
}

func TestRefusedDeadLetterStopsTheLoop(t *testing.T) {
	bad := connectors.As(connectors.BadData, errors.New("too large"))
	s := &scene{src: newSource("a", "reject", "b"), proc: &scriptedProcessor{}, sink: &scriptedSink{write: refuse(deadTopic, "", bad)}}
	play(t, s, nil, func() {
		s.wait(time.Minute)
		st := s.state()
		if st.State != functions.StateFailed || st.Code != fault.FunctionDeadLetter.Code {
			t.Errorf("status %+v", st)
		}
		if !slices.Contains(s.src.unacked(), "reject") {
			t.Error("the message that has nowhere to go was acknowledged")
		}
	})
}

func TestClassesOfErrors(t *testing.T) {
	config := connectors.As(connectors.BadConfig, fault.FunctionABI.New("as an example"))
	for name, c := range map[string]struct {
		change func(*scene)
		state  functions.State
	}{
		"source config":     {func(s *scene) { s.src.connErr = []error{config} }, functions.StateFailed},
		"source fatal":      {func(s *scene) { s.src.readErr = []error{connectors.As(connectors.Fatal, config)} }, functions.StateFailed},
		"sink config":       {func(s *scene) { s.sink.connErr = []error{config} }, functions.StateFailed},
		"sink write fatal":  {func(s *scene) { s.sink.write = failWrites(1, connectors.As(connectors.Fatal, config)) }, functions.StateFailed},
		"processor config":  {func(s *scene) { s.proc.fail = []error{config} }, functions.StateFailed},
		"ack fatal":         {func(s *scene) { s.src.ackErr = []error{config} }, functions.StateFailed},
		"source permission": {func(s *scene) { s.src.connErr = []error{connectors.As(connectors.NoPermission, config)} }, functions.StateBackoff},
		"sink permission":   {func(s *scene) { s.sink.write = failWrites(1, connectors.As(connectors.NoPermission, config)) }, functions.StateBackoff},
	} {
		t.Run(name, func(t *testing.T) {
			s := &scene{src: newSource("a"), proc: &scriptedProcessor{}, sink: &scriptedSink{}}
			c.change(s)
			play(t, s, nil, func() {
				s.wait(10 * time.Second)
				st := s.state()
				if st.State != c.state || st.Code != fault.FunctionABI.Code {
					t.Errorf("status %+v", st)
				}
				if c.state == functions.StateFailed {
					select {
					case <-s.Done():
					default:
						t.Error("the loop has not ended")
					}
					return
				}
				s.wait(time.Minute)
				s.expect(outTopic, "a")
				if st := s.state(); st.State != functions.StateRunning {
					t.Errorf("later %+v", st)
				}
			})
		})
	}
}

// After an error of the source everything in flight is finished before it is connected again: nothing is read twice, nothing is written twice.
func TestSourceComesBack(t *testing.T) {
	s := &scene{src: newSource("a", "again 2", "b"), proc: &scriptedProcessor{}, sink: &scriptedSink{delay: time.Second}}
	play(t, s, nil, func() {
		s.wait(time.Millisecond)
		s.src.fail(errGone)
		s.wait(0)
		s.src.add("c")
		s.wait(10 * time.Second)
		got := s.sink.payloads(outTopic)
		slices.Sort(got)
		if want := []string{"a", "again 2", "b", "c"}; !slices.Equal(got, want) {
			t.Errorf("out has %q", got)
		}
		s.expectAllAcked()
		if s.src.connects != 2 {
			t.Errorf("%d connects", s.src.connects)
		}
	})
}

// An acknowledgement that fails leaves records behind that only connecting anew brings back.
func TestFailedAcknowledgementConnectsAgain(t *testing.T) {
	s := &scene{src: newSource("a", "b"), proc: &scriptedProcessor{}}
	s.src.ackErr = []error{errGone}
	play(t, s, nil, func() {
		s.wait(time.Second)
		s.expect(outTopic, "a", "b", "a", "b")
		s.expectAllAcked()
	})
}

// A processor that is not well itself is waited for; no record pays for it.
func TestProcessorsOwnFailure(t *testing.T) {
	own := connectors.As(connectors.Retry, errors.New("no memory for a guest"))
	s := &scene{src: newSource("a", "b"), proc: &scriptedProcessor{fail: []error{own, own, own, own, own, own, own}}}
	play(t, s, func(o *Options) { o.Spec.MaxAttempts = 2 }, func() {
		s.wait(time.Second)
		if st := s.state(); st.State != functions.StateBackoff || !strings.Contains(st.Error, "no memory") {
			t.Errorf("status %+v", st)
		}
		s.wait(time.Minute)
		s.expect(outTopic, "a", "b")
		if st := s.state(); st.State != functions.StateRunning || st.UserErrors != 0 || st.Retried != 0 {
			t.Errorf("status %+v", st)
		}
	})
}

// A processor that breaks its contract is treated as one that failed.
func TestNonsenseOfAProcessor(t *testing.T) {
	s := &scene{src: newSource("a"), proc: &scriptedProcessor{}}
	play(t, s, func(o *Options) { o.Processor = liar{}; o.Spec.MaxAttempts = 2 }, func() {
		s.proc.Close()
		s.wait(time.Second)
		s.expect(outTopic)
		s.expect(deadTopic, "a")
		s.expectAllAcked()
	})
}

// liar gives more results than it was given records.
type liar struct{}

func (liar) Process(context.Context, []connectors.Record) ([]connectors.Output, []connectors.Result, error) {
	return nil, make([]connectors.Result, 7), nil
}
func (liar) Close() error { return nil }

func TestStopDrains(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		s := &scene{src: newSource(append(numbers(5), "again 99")...), proc: &scriptedProcessor{}, sink: &scriptedSink{delay: time.Minute}}
		play(t, s, func(o *Options) { o.Spec.Ordered, o.Spec.MaxAttempts = ordered, 1000 }, func() {
			s.wait(time.Second)
		})
		// play has stopped it: what was in the sink is acknowledged, what waited for another attempt is not.
		if got := s.src.unacked(); !slices.Equal(got, []string{"again 99"}) {
			t.Errorf("%q are left", got)
		}
	}
}

func TestStopAbandonsWhenTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, sink := newSource("a"), &scriptedSink{delay: time.Hour}
		l, err := Start((&scene{src: src, sink: sink, proc: &scriptedProcessor{}}).options())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin := time.Now()
		_ = l.Stop(ctx)
		if d := time.Since(begin); d != time.Minute {
			t.Errorf("Stop took %v", d)
		}
		if len(src.unacked()) != 1 || !src.closed || !sink.closed {
			t.Error("acknowledged without a write, or not closed")
		}
		_ = l.Stop(t.Context()) // again
	})
}

// A loop that never got its sink or source connected stops at once.
func TestStopBeforeAnythingIsConnected(t *testing.T) {
	many := slices.Repeat([]error{errGone}, 1000)
	for name, s := range map[string]*scene{
		"sink":   {src: newSource("a"), sink: &scriptedSink{connErr: many}},
		"source": {src: newSource("a"), sink: &scriptedSink{}},
	} {
		if name == "source" {
			s.src.connErr = slices.Clone(many)
		}
		synctest.Test(t, func(t *testing.T) {
			s.src.more = make(chan struct{}, 1)
			l, err := Start(s.options())
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			begin := time.Now()
			_ = l.Stop(t.Context())
			if d := time.Since(begin); d > time.Second {
				t.Errorf("%s: Stop took %v", name, d)
			}
		})
	}
}

func TestAtMostOnceAcknowledgesFirst(t *testing.T) {
	s := &scene{src: newSource("a", "trap 1", "again 1", "b"), proc: &scriptedProcessor{}, sink: &scriptedSink{delay: time.Minute}}
	play(t, s, func(o *Options) { o.Spec.Guarantee = "at-most-once" }, func() {
		s.wait(time.Second)
		s.expectAllAcked()
		s.expect(outTopic)
	})
	// Draining writes it all, since nobody would bring it again.
	s.expect(outTopic, "a", "trap 1", "b")
	s.expect(deadTopic, "again 1")
	if s.src.ackCalls != 1 {
		t.Errorf("%d acknowledgements", s.src.ackCalls)
	}
}

func TestLogsAndMeter(t *testing.T) {
	m := &Meter{}
	s := &scene{src: newSource("a"), proc: &scriptedProcessor{}}
	play(t, s, func(o *Options) { o.Meter = m }, func() {
		m.Count("rows", 2)
		m.Count("rows", 3)
		m.Gauge("lag_bytes", 1.5)
		if st := s.state(); st.Counters["rows"] != 5 || st.Gauges["lag_bytes"] != 1.5 {
			t.Errorf("status %+v", st)
		}
	})
}

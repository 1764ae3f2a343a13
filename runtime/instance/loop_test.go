package instance

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/runtime/functions"
)

func TestEchoInOrder(t *testing.T) {
	in := numbers(100)
	for _, ordered := range []bool{false, true} {
		s := &scene{src: newSource(in...), proc: &scriptedProcessor{}}
		play(t, s, func(o *Options) { o.Spec.Ordered = ordered }, func() {
			s.wait(0)
			s.expect(outTopic, in...)
			s.expectAllAcked()
			st := s.state()
			if st.State != functions.StateRunning || st.Received != 100 || st.Processed != 100 || st.Written != 100 || st.Generation != 3 || st.Error != "" {
				t.Errorf("status %+v", st)
			}
		})
		if st, _ := s.Status(); st.State != functions.StateStopped {
			t.Errorf("in the end its state is %s", st.State)
		}
	}
}

func TestIdentityKeepsTopics(t *testing.T) {
	s := &scene{src: newSource("a", "b")}
	s.src.records[0].Topic, s.src.records[1].Topic = "persistent://t/n/x", "persistent://t/n/y"
	s.src.records[0].Sequence, s.src.records[1].Sequence = 41, 42
	play(t, s, func(o *Options) {
		o.Spec.Kind, o.Spec.Output, o.Spec.Guarantee = functions.KindSource, "", "effectively-once"
	}, func() {
		s.wait(0)
		s.expect("persistent://t/n/x", "a")
		s.expect("persistent://t/n/y", "b")
		if r := s.sink.last(t, "persistent://t/n/y"); r.Sequence != 42 {
			t.Errorf("the source's sequence 42 became %d", r.Sequence)
		}
		s.expectAllAcked()
	})
}

// While a write is under way its successors gather, and the next write takes them all.
func TestNaturalBatching(t *testing.T) {
	s := &scene{src: newSource("m0"), proc: &scriptedProcessor{}, sink: &scriptedSink{delay: time.Second}}
	s.src.size = 1
	play(t, s, nil, func() {
		s.wait(time.Millisecond) // m0 is being written
		s.src.add(numbers(50)...)
		s.wait(1500 * time.Millisecond)
		if w := s.sink.writeList(); len(w) != 1 {
			t.Fatalf("%d writes have ended", len(w))
		}
		s.wait(time.Second)
		if w := s.sink.writeList(); len(w) != 2 || len(w[1]) != 50 {
			t.Errorf("writes: %q", w)
		}
		s.expectAllAcked()
	})
}

// Reading, processing and writing overlap: a batch of each is under way at the same time.
func TestStagesOverlap(t *testing.T) {
	s := &scene{src: newSource(numbers(10)...), proc: &scriptedProcessor{delay: time.Second}, sink: &scriptedSink{delay: time.Second}}
	s.src.size = 1
	play(t, s, func(o *Options) { o.CallRecords = 1 }, func() {
		s.wait(11500 * time.Millisecond) // ten calls and the last write, not ten of both
		s.expect(outTopic, numbers(10)...)
		s.expectAllAcked()
	})
}

func TestNothingIsAcknowledgedBeforeItIsWritten(t *testing.T) {
	s := &scene{src: newSource("a", "drop", "double"), proc: &scriptedProcessor{}, sink: &scriptedSink{delay: time.Minute}}
	play(t, s, nil, func() {
		s.wait(59 * time.Second)
		if left := s.src.unacked(); !slices.Equal(left, []string{"a", "double"}) {
			t.Errorf("before the write ends %q are unacknowledged", left)
		}
		s.wait(2 * time.Second)
		s.expect(outTopic, "a", "double 1", "double 2")
		s.expectAllAcked()
	})
}

// Outputs are views that die at the next call; what waits to be written must have been copied.
func TestOutputsAreCopied(t *testing.T) {
	s := &scene{src: newSource("m0"), proc: &scriptedProcessor{}, sink: &scriptedSink{delay: time.Second}}
	play(t, s, nil, func() {
		s.wait(0)
		s.src.add("m1")
		s.wait(time.Millisecond)
		s.src.add("m2")
		s.wait(5 * time.Second)
		s.expect(outTopic, "m0", "m1", "m2")
	})
}

func TestLimitsHoldTheReaderBack(t *testing.T) {
	for name, limit := range map[string]func(*Options){
		"records": func(o *Options) { o.MaxRecords = 20 },
		"bytes":   func(o *Options) { o.MaxBytes = 20 * (64 + 4) },
	} {
		t.Run(name, func(t *testing.T) {
			s := &scene{src: newSource(numbers(100)...), proc: &scriptedProcessor{}, sink: &scriptedSink{delay: time.Second}}
			play(t, s, limit, func() {
				most := int64(0)
				for len(s.src.unacked()) > 0 {
					s.wait(100 * time.Millisecond)
					most = max(most, s.Metrics().InFlight)
				}
				if most < 20 || most > 30 {
					t.Errorf("up to %d records were in flight, the limit is 20 and a batch", most)
				}
				s.expect(outTopic, numbers(100)...)
			})
		})
	}
}

func TestFullOutboxHoldsTheProcessorBack(t *testing.T) {
	s := &scene{src: newSource(numbers(100)...), proc: &scriptedProcessor{}, sink: &scriptedSink{delay: time.Hour}}
	play(t, s, func(o *Options) { o.WriteRecords, o.CallRecords = 5, 5 }, func() {
		s.wait(time.Minute)
		if n := len(s.proc.callList()); n > 3 {
			t.Errorf("%d calls were made while nothing could be written", n)
		}
		s.wait(100 * time.Hour)
		s.expect(outTopic, numbers(100)...)
	})
}

func TestRejectedIsParkedWithItsStory(t *testing.T) {
	s := &scene{src: newSource("a", "reject", "b"), proc: &scriptedProcessor{}}
	s.src.records[1].Key, s.src.records[1].HasKey = []byte("k"), true
	s.src.records[1].PublishTime = 1700000000000
	s.src.records[1].Properties = []connectors.Property{{Key: "own", Value: "1"}, {Key: functions.PropReason, Value: "of another life"}}
	play(t, s, nil, func() {
		s.wait(0)
		s.expect(outTopic, "a", "b")
		s.expect(deadTopic, "reject")
		s.expectAllAcked()
		r := s.sink.last(t, deadTopic)
		props := map[string]string{}
		for _, p := range r.Properties {
			if _, twice := props[p.Key]; twice {
				t.Errorf("property %s stands twice", p.Key)
			}
			props[p.Key] = p.Value
		}
		p, ok := functions.ReadParked(func(k string) string { return props[k] })
		if !ok || p.By != "t/n/f" || p.Reason != "not wanted" || p.Attempts != 1 || p.Topic != inTopic || p.MessageID != "7:1:-1" || p.PublishTime != 1700000000000 || props["own"] != "1" {
			t.Errorf("parked as %+v with %v", p, props)
		}
		if string(r.Key) != "k" || r.Sequence != 0 || r.Producer != "" {
			t.Errorf("dead letter %+v", r)
		}
		st := s.state()
		if st.Parked != 1 || st.Processed != 2 || st.UserErrors != 1 || len(st.RecentErrors) != 1 || !strings.Contains(st.RecentErrors[0].Text, "not wanted") {
			t.Errorf("status %+v", st)
		}
	})
}

func TestUnfitRecordsAreParkedUnprocessed(t *testing.T) {
	for _, p := range []*scriptedProcessor{nil, {}} {
		s := &scene{src: newSource("a", "junk", "b"), proc: p}
		s.src.records[1].Reject = "no message at all"
		play(t, s, func(o *Options) { o.Spec.Ordered = true }, func() {
			s.wait(0)
			s.expect(outTopic, "a", "b")
			s.expect(deadTopic, "junk")
			s.expectAllAcked()
		})
		if p != nil && p.tries("junk") != 0 {
			t.Error("the unfit record was processed")
		}
	}
}

func TestUnorderedOvertakesWhatWaits(t *testing.T) {
	s := &scene{src: newSource("a", "again 2", "b"), proc: &scriptedProcessor{}}
	play(t, s, nil, func() {
		s.wait(0)
		s.expect(outTopic, "a", "b")
		if m := s.Metrics(); m.BackingOff != 1 {
			t.Errorf("%d records wait", m.BackingOff)
		}
		s.wait(125 * time.Millisecond) // the first wait is 75 to 125 ms
		if n := s.proc.tries("again 2"); n != 2 {
			t.Errorf("it was tried %d times", n)
		}
		s.src.add("c")
		s.wait(0)
		s.expect(outTopic, "a", "b", "c")
		s.wait(250 * time.Millisecond)
		s.expect(outTopic, "a", "b", "c", "again 2")
		s.expectAllAcked()
		if st := s.state(); st.Retried != 2 || st.UserErrors != 2 || st.Parked != 0 {
			t.Errorf("status %+v", st)
		}
	})
}

func TestOrderedWaitsForWhatFailed(t *testing.T) {
	s := &scene{src: newSource("a", "again 2", "b", "c"), proc: &scriptedProcessor{}}
	play(t, s, func(o *Options) { o.Spec.Ordered = true }, func() {
		s.wait(0)
		s.expect(outTopic, "a")
		s.wait(time.Second)
		s.expect(outTopic, "a", "again 2", "b", "c")
		s.expectAllAcked()
	})
}

func TestAttemptsEndInTheDeadLetterTopic(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		for _, verb := range []string{"again 99", "trap 99"} {
			s := &scene{src: newSource("a", verb, "b"), proc: &scriptedProcessor{}}
			play(t, s, func(o *Options) { o.Spec.Ordered, o.Spec.MaxAttempts = ordered, 3 }, func() {
				s.wait(time.Second)
				if ordered {
					s.expect(outTopic, "a", "b")
				} else if got := s.sink.payloads(outTopic); len(got) != 2 {
					t.Errorf("out has %q", got)
				}
				s.expect(deadTopic, verb)
				s.expectAllAcked()
				r := s.sink.last(t, deadTopic)
				if !slices.Contains(r.Properties, connectors.Property{Key: functions.PropAttempts, Value: "3"}) {
					t.Errorf("properties %v", r.Properties)
				}
				if st := s.state(); st.Parked != 1 || st.Processed != 2 || st.Retried != 2 {
					t.Errorf("status %+v", st)
				}
			})
		}
	}
}

// A call that fails as a whole is replayed one by one; only the culprit's attempts count.
func TestOnlyTheCulpritPays(t *testing.T) {
	in := numbers(20)
	in[7] = "trap 4" // once in company, three times alone
	s := &scene{src: newSource(in...), proc: &scriptedProcessor{}}
	s.src.size = 20
	play(t, s, func(o *Options) { o.Spec.Ordered = true; o.Spec.MaxAttempts = 4 }, func() {
		s.wait(10 * time.Second)
		s.expect(outTopic, in...)
		s.expect(deadTopic)
		if st := s.state(); st.Retried != 3 || st.UserErrors != 3 {
			t.Errorf("status %+v", st)
		}
		for i, n := range in {
			want := 1
			if i < 7 {
				want = 2 // in company of the culprit, and alone
			}
			if got := s.proc.tries(n); i != 7 && got != want {
				t.Errorf("%s was tried %d times", n, got)
			}
		}
	})
}

// Records that are too slow together are split, and the calls grow again afterwards.
func TestCallsShrinkAndGrow(t *testing.T) {
	s := &scene{src: newSource(numbers(64)...), proc: &scriptedProcessor{fail: []error{errTrap}}}
	s.src.size = 64
	play(t, s, func(o *Options) { o.CallRecords = 32 }, func() {
		s.wait(0)
		s.src.add(numbers(64)...)
		s.wait(time.Minute)
		calls := s.proc.callList()
		if len(calls[0]) != 32 || len(calls[1]) != 1 {
			t.Errorf("the first calls had %d and %d records", len(calls[0]), len(calls[1]))
		}
		if n := len(calls[len(calls)-1]); n != 32 {
			t.Errorf("the last call had %d records", n)
		}
		if st := s.state(); st.Retried != 0 || st.Processed != 128 {
			t.Errorf("status %+v", st)
		}
	})
}

package instance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/functions"
)

func exactly(o *Options) { o.Spec.Guarantee = "effectively-once" }

func TestOutputsAreNumberedByTheirInput(t *testing.T) {
	s := &scene{src: newSource("a", "double", "drop", "reject", "b"), proc: &scriptedProcessor{}}
	play(t, s, exactly, func() {
		s.wait(0)
		var got []string
		for _, r := range s.sink.arrived {
			if r.Producer != "t/n/f@"+inTopic+"#7" {
				t.Errorf("producer %q", r.Producer)
			}
			topic := r.Topic[strings.LastIndex(r.Topic, "/")+1:]
			got = append(got, fmt.Sprintf("%s %s %d.%d", topic, r.Payload, r.Sequence>>12, r.Sequence&0xfff))
		}
		want := []string{"out a 0.1", "out double 1 1.1", "out double 2 1.2", "f-DLQ reject 3.4095", "out b 4.1"}
		if !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		s.expectAllAcked()
	})
}

// dedup is a sink that drops what it has, as the broker's deduplication does: by topic and producer, what is not above the highest.
type dedup struct {
	highest map[string]uint64
	kept    []string
}

func (d *dedup) take(records []connectors.Record) {
	if d.highest == nil {
		d.highest = map[string]uint64{}
	}
	for _, r := range records {
		key := r.Topic + " " + r.Producer
		if r.Sequence > d.highest[key] {
			d.highest[key] = r.Sequence
			d.kept = append(d.kept, string(r.Payload))
		}
	}
}

// Whatever breaks and however often things are done again, what deduplication keeps is each output once, in order.
func TestEachResultOnce(t *testing.T) {
	in := numbers(60)
	in[5], in[11], in[20], in[33], in[40] = "double 5", "again 2", "trap 1", "double 33", "drop 40"
	var want []string
	for _, p := range in {
		switch {
		case strings.HasPrefix(p, "double"):
			want = append(want, p+" 1", p+" 2")
		case !strings.HasPrefix(p, "drop"):
			want = append(want, p)
		}
	}
	for round := range 20 {
		d := &dedup{}
		n := 0
		s := &scene{src: newSource(in...), proc: &scriptedProcessor{delay: 10 * time.Millisecond}}
		s.src.size = 7
		s.src.ackErr = []error{nil, errGone, nil, nil, errGone}
		s.src.ackDelay = 5 * time.Millisecond
		s.sink = &scriptedSink{delay: 3 * time.Millisecond, write: func(records []connectors.Record) error {
			n++
			if n%(2+round%5) == 0 { // lost on the way there, or on the way back after a part arrived
				d.take(records[:len(records)*(round%4)/3])
				return errGone
			}
			d.take(records)
			return nil
		}}
		play(t, s, func(o *Options) { exactly(o); o.CallRecords = 1 + round }, func() {
			s.wait(time.Millisecond * time.Duration(round))
			s.src.fail(errGone)
			s.wait(5 * time.Minute)
			s.expectAllAcked()
		})
		if !slices.Equal(d.kept, want) {
			t.Fatalf("round %d:\n got %q\nwant %q", round, d.kept, want)
		}
	}
}

func TestTooManyOutputsAreParked(t *testing.T) {
	for n, parked := range map[int]bool{4095: false, 4096: true} {
		s := &scene{src: newSource("a", "many", "b"), proc: &scriptedProcessor{many: n}}
		play(t, s, exactly, func() {
			s.wait(0)
			if got := len(s.sink.payloads(deadTopic)) == 1; got != parked {
				t.Errorf("%d outputs: parked is %v", n, got)
			}
			s.expectAllAcked()
			if parked {
				s.expect(outTopic, "a", "b")
				if r := s.sink.last(t, deadTopic); !slices.Contains(r.Properties, connectors.Property{Key: functions.PropCode, Value: fault.FunctionTooManyOutputs.Code}) {
					t.Errorf("properties %v", r.Properties)
				}
			}
		})
	}
}

func TestUnnumberedInputIsRefused(t *testing.T) {
	s := &scene{src: newSource("a", "b"), proc: &scriptedProcessor{}}
	s.src.records[1].HasIndex = false
	play(t, s, exactly, func() {
		s.wait(time.Second)
		if st := s.state(); st.State != functions.StateFailed || st.Code != fault.FunctionNoIndex.Code {
			t.Errorf("status %+v", st)
		}
		s.expect(outTopic)
	})
}

// A source's own numbers go on through a function behind it.
func TestSequencesOfASourceThroughAProcessor(t *testing.T) {
	s := &scene{src: newSource("a", "double"), proc: &scriptedProcessor{}}
	s.src.records[0].Sequence, s.src.records[1].Sequence = 100, 101
	play(t, s, func(o *Options) { exactly(o); o.Spec.Kind = functions.KindSource }, func() {
		s.wait(0)
		if r := s.sink.last(t, outTopic); r.Sequence != 101<<12|2 {
			t.Errorf("sequence %d.%d", r.Sequence>>12, r.Sequence&0xfff)
		}
	})
}

// What was read in a turn that is over is neither processed nor written nor acknowledged, and takes no room; what was read in the next turn goes on. What
// another instance still holds is waited for.
func TestWhatBelongsToAnotherInstanceIsGivenUp(t *testing.T) {
	lost, lasts := &connectors.Lease{}, &connectors.Lease{}
	in := append(numbers(20), "reject", "held")
	s := &scene{src: newSource(in...), proc: &scriptedProcessor{delay: 10 * time.Millisecond}}
	s.src.size = 5
	for i := range s.src.records {
		s.src.records[i].Lease = lasts
		if i < 15 {
			s.src.records[i].Lease = lost
		}
	}
	held := 3
	s.sink = &scriptedSink{delay: time.Millisecond, write: func(records []connectors.Record) error {
		failed := map[int]error{}
		for i, r := range records {
			switch {
			case r.Lease == nil:
				t.Errorf("%s has no lease", r.Payload)
			case r.Lease.Lost():
				failed[i] = connectors.ErrLeaseLost
			case string(r.Payload) == "held" && held > 0:
				failed[i] = connectors.ErrLeaseHeld
				held--
			}
		}
		if len(failed) > 0 {
			return &connectors.BatchError{Failed: failed}
		}
		return nil
	}}
	play(t, s, func(o *Options) { exactly(o); o.CallRecords = 5 }, func() {
		s.wait(15 * time.Millisecond) // the first call is written, the second is under way
		lost.Lose()
		s.wait(time.Minute)
		if got, want := s.src.unacked(), in[5:15]; !slices.Equal(got, want) {
			t.Errorf("not acknowledged are %q, want %q", got, want)
		}
		s.expect(outTopic, append(slices.Clone(in[:5]), append(slices.Clone(in[15:20]), "held")...)...)
		s.expect(deadTopic, "reject")
		if n := s.proc.tries(in[12]); n != 0 {
			t.Errorf("%s was processed %d times after its lease was lost", in[12], n)
		}
		if m := s.Metrics(); m.InFlight != 0 || m.InFlightBytes != 0 {
			t.Errorf("%d records of %d bytes are in flight", m.InFlight, m.InFlightBytes)
		}
	})
}

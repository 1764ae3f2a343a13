package instance

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strobemq/strobe/connectors"
)

// Random messages, limits and failures of every part: in the end every input is acknowledged, and its outputs or its dead letter have arrived;
// with order kept, first arrivals are in the order of the inputs.
func TestNothingIsLostWhateverBreaks(t *testing.T) {
	for seed := range uint64(200) {
		chaos(t, seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func chaos(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	chance := func(percent int) bool { return r.IntN(100) < percent }
	n := 1 + r.IntN(80)
	in := numbers(n)
	for i := range in {
		if chance(20) {
			verbs := []string{"drop", "reject", "again 1", "again 9", "trap 1", "trap 9", "double"}
			in[i] = fmt.Sprintf("%s #%d", verbs[r.IntN(len(verbs))], i)
		}
	}
	faults := func(percent int) (errs []error) {
		for range 30 {
			var err error
			if chance(percent) {
				err = errGone
			}
			errs = append(errs, err)
		}
		return errs
	}
	s := &scene{src: newSource(in...), proc: &scriptedProcessor{delay: time.Duration(r.IntN(3)) * time.Millisecond}}
	s.src.size = 1 + r.IntN(20)
	s.src.connErr, s.src.ackErr = faults(20), faults(10)
	s.src.ackDelay = time.Duration(r.IntN(5)) * time.Millisecond
	s.sink = &scriptedSink{delay: time.Duration(r.IntN(5)) * time.Millisecond, connErr: faults(30)}
	s.src.onAck = func(payload string) {
		if !s.sink.has(payload) {
			t.Errorf("%q is acknowledged, and what it became has not arrived", payload)
		}
	}
	ordered := chance(50)
	luck := rand.New(rand.NewPCG(seed, 2)) // the writer's own
	s.sink.write = func(records []connectors.Record) error {
		chance := func(percent int) bool { return luck.IntN(100) < percent }
		switch {
		case chance(15):
			return errGone
		case chance(15):
			failed := map[int]error{}
			for i := range records {
				if chance(30) {
					failed[i] = errGone
				}
			}
			if len(failed) > 0 && !ordered { // a sink that keeps order does not let later records pass
				return &connectors.BatchError{Failed: failed}
			}
		}
		return nil
	}
	play(t, s, func(o *Options) {
		o.Spec.Ordered, o.Spec.MaxAttempts = ordered, 3
		o.MaxRecords, o.CallRecords, o.WriteRecords = 1+r.IntN(40), 1+r.IntN(40), 1+r.IntN(40)
	}, func() {
		for range r.IntN(4) {
			s.wait(time.Duration(r.IntN(100)) * time.Millisecond)
			s.src.fail(errGone)
		}
		s.wait(time.Hour)
		s.expectAllAcked()
	})
	var first []string // outputs in the order they first arrived
	seen := map[string]bool{}
	for _, rec := range s.sink.arrived {
		name := string(rec.Payload)
		if rec.Topic == deadTopic {
			name = "parked " + name
		}
		if !seen[name] {
			seen[name] = true
			first = append(first, name)
		}
	}
	var want []string
	for _, p := range in {
		switch {
		case strings.HasPrefix(p, "drop"):
		case strings.HasPrefix(p, "double"):
			want = append(want, p+" 1", p+" 2")
		case strings.HasPrefix(p, "reject"):
			want = append(want, "parked "+p)
		case stubborn(p):
			// It is parked; but what could not be acknowledged comes again, and nine failures later it goes through.
			if !seen[p] && !seen["parked "+p] {
				t.Errorf("%q is gone", p)
			}
		default:
			want = append(want, p)
		}
	}
	first = slices.DeleteFunc(first, stubborn)
	if !ordered {
		slices.Sort(first)
		slices.Sort(want)
	}
	if !slices.Equal(first, want) {
		t.Errorf("ordered %v:\n got %q\nwant %q", ordered, first, want)
	}
}

// has tells whether all that an input became has arrived.
func (s *scriptedSink) has(in string) bool {
	if strings.HasPrefix(in, "drop") || slices.Contains(s.payloads(deadTopic), in) {
		return true
	}
	out := s.payloads(outTopic)
	if strings.HasPrefix(in, "double") {
		return slices.Contains(out, in+" 1") && slices.Contains(out, in+" 2")
	}
	return slices.Contains(out, in)
}

// stubborn messages fail more often than they may.
func stubborn(name string) bool {
	return strings.Contains(name, "again 9") || strings.Contains(name, "trap 9")
}

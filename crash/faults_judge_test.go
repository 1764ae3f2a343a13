package main

import (
	"testing"
	"time"

	"github.com/strobemq/strobe/bench/load"
)

// TestJudge: 1 ms all the time, but for half a second behind the fault, whose publishes are all answered at its end.
func TestJudge(t *testing.T) {
	const blocked = 500 * time.Millisecond
	answers := func(until time.Duration) (list []load.Answer) {
		for at := time.Duration(0); at < until; at += time.Millisecond {
			took := time.Millisecond
			if at >= calm && at < calm+blocked {
				took = calm + blocked - at
			}
			list = append(list, load.Answer{At: at, Took: took})
		}
		return list
	}
	var s seen
	s.judge(answers(calm + 5*time.Second))
	if s.anyway != 0 || s.after != time.Millisecond {
		t.Errorf("high before the fault for %v, p99 in the end %v", s.anyway, s.after)
	}
	if s.before != time.Millisecond || s.stall != blocked || s.high != blocked || s.stays {
		t.Errorf("p99 before %v, stall %v, high for %v, at the end: %v", s.before, s.stall, s.high, s.stays)
	}
	s = seen{}
	s.judge(answers(calm + blocked + settled/2))
	if !s.stays {
		t.Error("it counts as being back, and nobody could know")
	}
}

package main

import (
	"slices"
	"time"

	"github.com/strobemq/strobe/bench/load"
)

// window is the answers to what was to be published in one stretch.
type window struct {
	at       time.Duration
	p99, max time.Duration
}

// windows cuts answers, which are in the order of their times, into stretches of load.Window.
func windows(answers []load.Answer) []window {
	var list []window
	for i := 0; i < len(answers); {
		of := answers[i].At / load.Window
		var took []time.Duration
		for ; i < len(answers) && answers[i].At/load.Window == of; i++ {
			took = append(took, answers[i].Took)
		}
		slices.Sort(took)
		list = append(list, window{of * load.Window, took[len(took)*99/100], took[len(took)-1]})
	}
	return list
}

// settled is how long p99 must stay low to count as being back; shorter calms do not end a stretch in which it is high.
const settled = time.Second

// stretch is the longest time in which p99 was above a limit, and whether it still was at the end.
func stretch(list []window, limit time.Duration) (longest time.Duration, stays bool) {
	var from, until time.Duration // of the last one
	high := false
	for _, w := range list {
		if w.p99 <= limit {
			continue
		}
		if !high || w.at-until >= settled {
			from = w.at
		}
		high, until = true, w.at+load.Window
		longest = max(longest, until-from)
	}
	return longest, high && list[len(list)-1].at+load.Window-until < settled
}

// usual is the median p99 of windows.
func usual(list []window) time.Duration {
	var p99s []time.Duration
	for _, w := range list {
		p99s = append(p99s, w.p99)
	}
	slices.Sort(p99s)
	return p99s[len(p99s)/2]
}

// judge finds the figures in the answers.
func (s *seen) judge(answers []load.Answer) {
	var calmly, behind []window
	for _, w := range windows(answers) {
		switch {
		case w.at+load.Window > calm:
			behind = append(behind, w)
			s.stall = max(s.stall, w.max)
		case w.at >= calm/2:
			calmly = append(calmly, w)
		}
	}
	if len(calmly) == 0 || len(behind) == 0 {
		return
	}
	s.before = usual(calmly)
	s.anyway, _ = stretch(calmly, 2*s.before)
	s.high, s.stays = stretch(behind, 2*s.before)
	s.after = usual(behind[len(behind)-min(len(behind), int(2*settled/load.Window)):])
}

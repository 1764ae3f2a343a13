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

// judge finds the figures in the answers.
func (s *seen) judge(answers []load.Answer) {
	list := windows(answers)
	var calmly []time.Duration
	for _, w := range list {
		if w.at >= calm/2 && w.at+load.Window <= calm {
			calmly = append(calmly, w.p99)
		}
	}
	if len(calmly) == 0 {
		return
	}
	slices.Sort(calmly)
	s.before = calmly[len(calmly)/2]
	var from, until time.Duration // of the stretch in which p99 was high last
	for _, w := range list {
		if w.at+load.Window <= calm {
			continue
		}
		s.stall = max(s.stall, w.max)
		if w.p99 <= 2*s.before {
			continue
		}
		if from == 0 || w.at-until >= settled {
			from = w.at
		}
		until = w.at + load.Window
		s.high = max(s.high, until-from)
	}
	last := list[len(list)-1]
	s.stays = from > 0 && last.at+load.Window-until < settled
}

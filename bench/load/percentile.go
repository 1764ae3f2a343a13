package load

import (
	"slices"
	"time"
)

// Window is how long the stretches are whose own p99 is taken.
const Window = 250 * time.Millisecond

// Latency sums up answers.
type Latency struct {
	P50, P99, P999 time.Duration
	WindowMedian   time.Duration // of the p99s of all windows
	WindowBest     time.Duration // the smallest of them
	Windows        int
	Answers        int
}

// windowAnswers is how many answers a window must have for a p99 of its own.
const windowAnswers = 100

// Summarize works on the answers of several slices; windows do not reach over their borders.
func Summarize(slicesOf ...[]Answer) Latency {
	var all, p99s, window []time.Duration
	for _, answers := range slicesOf {
		for i := 0; i < len(answers); {
			of := answers[i].At / Window
			window = window[:0]
			for ; i < len(answers) && answers[i].At/Window == of; i++ {
				window = append(window, answers[i].Took)
			}
			all = append(all, window...)
			if len(window) >= windowAnswers {
				slices.Sort(window)
				p99s = append(p99s, at(window, 0.99))
			}
		}
	}
	slices.Sort(all)
	slices.Sort(p99s)
	l := Latency{P50: at(all, 0.5), P99: at(all, 0.99), P999: at(all, 0.999), WindowMedian: at(p99s, 0.5), Windows: len(p99s), Answers: len(all)}
	if len(p99s) > 0 {
		l.WindowBest = p99s[0]
	}
	return l
}

// at is the quantile q of a sorted list; 0 of an empty one.
func at(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

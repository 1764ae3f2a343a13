package load

import (
	"testing"
	"time"
)

func TestWindows(t *testing.T) {
	var calm, rough []Answer
	for i := range 1000 { // four windows
		at := time.Duration(i) * time.Millisecond
		calm = append(calm, Answer{at, time.Millisecond})
		took := 2 * time.Millisecond
		if i%250 >= 240 { // 4 % of each window
			took = 50 * time.Millisecond
		}
		rough = append(rough, Answer{at, took})
	}
	l := Summarize(calm, rough, rough)
	want := Latency{P50: 2 * time.Millisecond, P99: 50 * time.Millisecond, P999: 50 * time.Millisecond, WindowMedian: 50 * time.Millisecond,
		WindowBest: time.Millisecond, Windows: 12, Answers: 3000}
	if l != want {
		t.Errorf("%+v, want %+v", l, want)
	}
	if got := Summarize(calm[:99]); got.Windows != 0 || got.P50 != time.Millisecond {
		t.Errorf("a window of 99 answers: %+v", got)
	}
	if (Summarize() != Latency{}) {
		t.Error("nothing has a latency")
	}
}

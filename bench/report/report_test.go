package report

import "testing"

func TestTable(t *testing.T) {
	rows := []Row{
		{What: "rate", Product: 500_000, Floor: 1_000_000, Of: "F3", Low: 0.4, High: 0.61, Goal: AtLeast(0.7)},
		{What: "slow", Product: 100_000, Floor: 1_000_000, Of: "F3", Goal: AtLeast(0.7), Noisy: true},
		{What: "latency", Unit: Seconds, Product: 0.0005, Floor: 0.0004, Of: "F3", Goal: AtMost(1.3)},
		{What: "start", Unit: Seconds, Product: 0.4, Goal: AtMost(0.15), Note: "cold"},
		{What: "written", Unit: Plain, Product: 1.02},
	}
	want := `| measure | product | floor | ratio (spread) | goal | |
|---|---|---|---|---|---|
| rate | 500 K/s | 1.00 M/s F3 | **0.50** (0.40–0.61) | ≥ 0.70 | missed |
| slow | 100 K/s | 1.00 M/s F3 | **0.10** | ≥ 0.70 | **below half**; noisy |
| latency | 500 µs | 400 µs F3 | **1.25** | ≤ 1.30 | met |
| start | 400 ms | – | – | ≤ 150 ms | **below half**; cold |
| written | 1.02 | – | – | – |  |
`
	if got := Table(rows); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestMedian(t *testing.T) {
	for want, list := range map[float64][]float64{0: nil, 3: {3}, 2.5: {4, 1, 2, 3}, 7: {9, 1, 7}} {
		if got := Median(list); got != want {
			t.Errorf("%v: %v, want %v", list, got, want)
		}
	}
}

package main

import (
	"context"
	"strings"
	"testing"

	"github.com/strobemq/strobe/bench/report"
)

// Contenders take turns in alternating order.
func TestAlternate(t *testing.T) {
	b := &bench{quick: true}
	var order strings.Builder
	one := func(name string, v float64) contender {
		return contender{name, func(context.Context) (sample, error) {
			order.WriteString(name)
			return sample{"rate": v}, nil
		}}
	}
	r, err := b.alternate(t.Context(), one("a", 3), one("b", 4), one("c", 5))
	if err != nil {
		t.Fatal(err)
	}
	if got := order.String(); got != "abccba" {
		t.Errorf("order %s", got)
	}
	row := r.row(report.Row{}, "a", "b", "rate")
	if row.Ratio() != 0.75 || row.Low != 0.75 || row.High != 0.75 {
		t.Errorf("%+v", row)
	}
}

// Noisy slices do not count while two quiet ones are left; the spread is that of rounds in which both sides counted.
func TestNoisySlicesAreDropped(t *testing.T) {
	r := &rounds{of: map[string][]taken{
		"a": {{sample{"x": 10}, 0, false}, {sample{"x": 90}, 1, true}, {sample{"x": 12}, 2, false}},
		"b": {{sample{"x": 20}, 0, false}, {sample{"x": 20}, 1, false}, {sample{"x": 20}, 2, false}},
		"c": {{sample{"x": 1}, 0, false}, {sample{"x": 3}, 1, true}, {sample{"x": 5}, 2, true}},
	}}
	row := r.row(report.Row{}, "a", "b", "x")
	if row.Noisy || row.Product != 11 || row.Low != 0.5 || row.High != 0.6 {
		t.Errorf("%+v", row)
	}
	if row := r.row(report.Row{}, "c", "b", "x"); !row.Noisy || row.Product != 3 {
		t.Errorf("one quiet slice: %+v", row)
	}
}

func TestChoose(t *testing.T) {
	got, err := choose(measurements, "wasm,start")
	if err != nil || len(got) != 2 || got[0].name != "start" || got[1].name != "wasm" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := choose(measurements, "start,nothing"); err == nil || !strings.Contains(err.Error(), `"nothing"`) {
		t.Errorf("%v", err)
	}
}

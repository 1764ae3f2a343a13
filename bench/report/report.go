// Package report is the table that a run prints: what was measured, the floor beside it, the ratio with its spread, the goal.
package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Unit says how a number is printed.
type Unit int

const (
	PerSecond Unit = iota // of something that Row.What names
	BytesPerSecond
	Seconds
	Megabytes
	Nanoseconds
	Plain
	Percent
)

// Row compares the product with a floor, or with a gate.
type Row struct {
	What    string // "publish p50, 50 K x 1 KiB"
	Unit    Unit
	Product float64
	Floor   float64 // 0: there is none
	Of      string  // what the floor is
	Low     float64 // spread of the ratio over rounds
	High    float64
	Goal    Goal
	Note    string
	Noisy   bool // no quiet slice was left; all were taken
}

// Goal is what the ratio, or without a floor the product's figure, should reach. The zero value is none.
type Goal struct {
	Value  float64
	AtMost bool // else at least
	Text   string
}

// AtLeast and AtMost make goals of ratios.
func AtLeast(v float64) Goal { return Goal{Value: v} }
func AtMost(v float64) Goal  { return Goal{Value: v, AtMost: true} }

// Ratio is product over floor.
func (r Row) Ratio() float64 { return r.Product / r.Floor }

// judged is what the goal is about.
func (r Row) judged() float64 {
	if r.Floor != 0 {
		return r.Ratio()
	}
	return r.Product
}

// The verdicts on a row with a goal. BelowHalf does not even come half way to it.
const (
	Met       = "met"
	Missed    = "missed"
	BelowHalf = "below half"
)

// Verdict is Met, Missed or BelowHalf; empty without a goal.
func (r Row) Verdict() string {
	v, g := r.judged(), r.Goal
	switch {
	case g.Value == 0 && g.Text == "":
		return ""
	case g.AtMost && v <= g.Value, !g.AtMost && v >= g.Value:
		return Met
	case g.AtMost && v > 2*g.Value, !g.AtMost && v < g.Value/2:
		return BelowHalf
	}
	return Missed
}

// Format prints a number in a unit with three significant digits.
func Format(v float64, u Unit) string {
	switch u {
	case PerSecond:
		switch {
		case v >= 1e6:
			return digits(v/1e6) + " M/s"
		case v >= 1e3:
			return digits(v/1e3) + " K/s"
		}
		return digits(v) + " /s"
	case BytesPerSecond:
		return digits(v/1e6) + " MB/s"
	case Seconds:
		switch {
		case v < 1e-3:
			return digits(v*1e6) + " µs"
		case v < 1:
			return digits(v*1e3) + " ms"
		}
		return digits(v) + " s"
	case Megabytes:
		return digits(v/1e6) + " MB"
	case Nanoseconds:
		return digits(v) + " ns"
	case Percent:
		return digits(v*100) + " %"
	}
	return digits(v)
}

func digits(v float64) string {
	a := math.Abs(v)
	switch {
	case a == 0:
		return "0"
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a < 0.01:
		return fmt.Sprintf("%.2g", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func (g Goal) format(r Row) string {
	if g.Text != "" {
		return g.Text
	}
	if g.Value == 0 {
		return "–"
	}
	sign, v := "≥ ", Format(g.Value, r.Unit)
	if g.AtMost {
		sign = "≤ "
	}
	if r.Floor != 0 {
		v = digits(g.Value)
	}
	return sign + v
}

// Table is the rows as markdown; Compare is the same beside a peer.
func Table(rows []Row) string   { return table("product | floor", rows) }
func Compare(rows []Row) string { return table("Strobe | peer", rows) }

func table(columns string, rows []Row) string {
	var b strings.Builder
	b.WriteString("| measure | " + columns + " | ratio (spread) | goal | |\n|---|---|---|---|---|---|\n")
	for _, r := range rows {
		floor, ratio := "–", "–"
		if r.Floor != 0 {
			floor = Format(r.Floor, r.Unit) + " " + r.Of
			ratio = fmt.Sprintf("**%s**", digits(r.Ratio()))
			if r.High != 0 {
				ratio += fmt.Sprintf(" (%s–%s)", digits(r.Low), digits(r.High))
			}
		}
		verdict := r.Verdict()
		if verdict == BelowHalf {
			verdict = "**" + BelowHalf + "**"
		}
		notes := slices.DeleteFunc([]string{verdict, r.Note, map[bool]string{true: "noisy"}[r.Noisy]}, func(s string) bool { return s == "" })
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", r.What, Format(r.Product, r.Unit), floor, ratio, r.Goal.format(r), strings.Join(notes, "; "))
	}
	return b.String()
}

// Median is the middle of a list; 0 of an empty one.
func Median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

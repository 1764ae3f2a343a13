package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/strobemq/strobe/bench/machine"
	"github.com/strobemq/strobe/bench/report"
)

func sortedKeys(m map[string]float64) []string { return slices.Sorted(maps.Keys(m)) }

// markdown is the whole report.
func (b *bench) markdown(took time.Duration) string {
	var out strings.Builder
	out.WriteString("# Benchmarks\n\nWritten by `make bench`; `bench/README.md` says what each line is and how to read it. ")
	fmt.Fprintf(&out, "One run of %v on %s, data on a real disk, product and floors in turn on the same machine. ", took.Round(time.Second), machine.Describe())
	out.WriteString(b.noiseText() + "\n\n")
	out.WriteString("Every acknowledgement comes after an fdatasync of what it acknowledges.\n")
	for _, p := range b.parts {
		fmt.Fprintf(&out, "\n## %s\n\n%s\n\n%s", p.form.title, p.form.about, report.Table(p.rows))
	}
	if len(b.profiles) > 0 {
		out.WriteString("\n## Profiles\n\nOf what misses its goal: where the processor time of the process went.\n")
		out.WriteString(b.profilesText())
	}
	return out.String()
}

// noiseText says how quiet the machine was.
func (b *bench) noiseText() string {
	return fmt.Sprintf("Of %d slices %d were noisy: others used more than %.0f %% of the machine, or the hypervisor took more than %.0f %%. "+
		"Those were dropped, but where fewer than two were left all count and the line says *noisy*.", b.slices, b.noisy, machine.MaxForeign*100, machine.MaxSteal*100)
}

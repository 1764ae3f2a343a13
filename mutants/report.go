package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	tableBegins = "<!-- mutants -->"
	tableEnds   = "<!-- /mutants -->"
)

// writeTable puts the results between the markers of a file and leaves the rest of it alone.
func writeTable(file string, results []result, played map[string]time.Duration) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(b), tableBegins)
	_, after, closed := strings.Cut(rest, tableEnds)
	if !ok || !closed {
		return fmt.Errorf("%s has no %s … %s", file, tableBegins, tableEnds)
	}
	return os.WriteFile(file, []byte(before+tableBegins+"\n"+markdown(results, played)+tableEnds+after), 0o644)
}

func markdown(results []result, played map[string]time.Duration) string {
	var b strings.Builder
	found := 0
	for _, r := range results {
		if r.found {
			found++
		}
	}
	fmt.Fprintf(&b, "\n%d of %d found.\n\n| Mistake | What it does | Found by | After |\n|---|---|---|---|\n", found, len(results))
	for _, r := range results {
		by, after := r.mutant.by, r.after
		if r.test != "" {
			by += ", " + r.test
		}
		if suites[r.mutant.by].unit {
			by += " (one story)"
		}
		if !r.found {
			by, after = "**nobody**", ""
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.mutant.name, r.mutant.breaks, by, after)
	}
	fmt.Fprintf(&b, "\nThe suites, and how long each takes without a mistake, when it passes:\n\n| Suite | Tests | What they do | s |\n|---|---|---|---|\n")
	var names []string
	for name := range played {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		s := suites[name]
		fmt.Fprintf(&b, "| %s | `go test ./%s -run '%s'%s` | %s | %.1f |\n", name, s.pkg, strings.ReplaceAll(s.run, "|", `\|`), argList(s.args), s.what, played[name].Seconds())
	}
	b.WriteString("\n")
	return b.String()
}

func argList(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return " " + strings.Join(args, " ")
}

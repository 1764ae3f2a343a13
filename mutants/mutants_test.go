package main

import (
	"regexp"
	"testing"
)

// TestMutantsApply: no mutant is stale. Whether the suites find them is for `make mutants`.
func TestMutantsApply(t *testing.T) {
	names, used := map[string]bool{}, map[string]bool{}
	for _, m := range allMutants() {
		if names[m.name] {
			t.Errorf("two mutants are called %s", m.name)
		}
		names[m.name], used[m.by] = true, true
		if _, err := m.apply(".."); err != nil {
			t.Error(err)
		}
		if suites[m.by] == nil {
			t.Errorf("mutant %s: there is no suite %q", m.name, m.by)
		}
		if _, err := regexp.Compile(m.says); err != nil || m.says == "" || m.breaks == "" {
			t.Errorf("mutant %s: says %q (%v), breaks %q", m.name, m.says, err, m.breaks)
		}
	}
	for name := range suites {
		if !used[name] {
			t.Errorf("no mutant is shown to the suite %s", name)
		}
	}
	if len(names) < 25 {
		t.Errorf("%d mutants", len(names))
	}
}

func TestStaleMutantIsRefused(t *testing.T) {
	for _, e := range []edit{
		{file: "mutants/mutants_test.go", old: "this text is nowhere" + " in the file", new: "x"},
		{file: "mutants/mutants_test.go", old: "t.Error", new: "x"},
		{file: "mutants/mutants_test.go", old: "package main\n", new: "package\n"},
		{file: "mutants/no such file.go", old: "x", new: "y"},
	} {
		m := mutant{name: "stale", edits: []edit{e}}
		if _, err := m.apply(".."); err == nil {
			t.Errorf("%q was applied to %s", e.old, e.file)
		}
	}
}

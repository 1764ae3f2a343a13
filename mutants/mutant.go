package main

import (
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// mutant is one mistake, kept as exact text: what stands in the source, and what stands there instead. When the source changes so that the
// text is no longer there, the mutant is stale, and the package's test says so.
type mutant struct {
	name   string
	breaks string // what it does, for people
	edits  []edit
	by     string // the suite that must find it
	// says is a regular expression that the suite's output must match besides failing, so that a failure of the machine does not pass for
	// the discovery.
	says string
}

// edit replaces a text that stands exactly once in a file of this module.
type edit struct{ file, old, new string }

// allMutants is the whole table, in the order of the path from the disk upwards.
func allMutants() []mutant {
	var all []mutant
	for _, room := range [][]mutant{segmentMutants, bookieMutants, metadataMutants, ledgerMutants, managedMutants, topicMutants, instanceMutants, postgresMutants} {
		all = append(all, room...)
	}
	return all
}

// apply is the mutated text of each file of m, by its path under root.
func (m *mutant) apply(root string) (map[string]string, error) {
	files := map[string]string{}
	for _, e := range m.edits {
		text, ok := files[e.file]
		if !ok {
			b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(e.file)))
			if err != nil {
				return nil, fmt.Errorf("mutant %s: %w", m.name, err)
			}
			text = string(b)
		}
		if n := strings.Count(text, e.old); n != 1 {
			return nil, fmt.Errorf("mutant %s is stale: %s has its text %d times:\n%s", m.name, e.file, n, e.old)
		}
		files[e.file] = strings.Replace(text, e.old, e.new, 1)
	}
	for name, text := range files {
		if _, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution); err != nil {
			return nil, fmt.Errorf("mutant %s is no Go: %w", m.name, err)
		}
	}
	return files, nil
}

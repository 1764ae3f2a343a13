// Command mutants shows that the fault suites see bugs: it plants one mistake at a time into the sources, as an overlay that the compiler reads in
// their place, and runs a suite that must fail because of it. The same suites with the same seeds pass without it. `make mutants`
// calls it and writes the table of docs/reliability.md.
//
// A mistake that no suite finds is the valuable result: the suite is made stronger, not the mistake easier.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
)

type options struct {
	only string
	list bool
	out  string
	jobs int
	keep bool
}

func main() {
	var o options
	flag.StringVar(&o.only, "only", "", "only these mutants, with commas")
	flag.BoolVar(&o.list, "list", false, "list the mutants and run nothing")
	flag.StringVar(&o.out, "out", "", "write the table between the markers of this file, if all mutants were run")
	flag.IntVar(&o.jobs, "jobs", 2, "mutants side by side")
	flag.BoolVar(&o.keep, "v", false, "print what the suites said")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ok, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

// run reports whether every suite passed without a mutant and every mutant was found.
func run(ctx context.Context, o options) (bool, error) {
	todo, err := choose(o.only)
	if err != nil {
		return false, err
	}
	if o.list {
		for _, m := range todo {
			fmt.Printf("%-28s %-18s %s\n", m.name, m.by, m.breaks)
		}
		return true, nil
	}
	root, err := filepath.Abs(".")
	if err != nil {
		return false, err
	}
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		return false, fmt.Errorf("run it where go.mod is: %w", err)
	}
	// What is stale shows before anything has run.
	for _, m := range todo {
		if _, err := m.apply(root); err != nil {
			return false, err
		}
	}
	dir, err := os.MkdirTemp("", "strobe-mutants-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	r := &runner{o: o, root: root, dir: dir}
	clean, err := r.clean(ctx, todo)
	if err != nil {
		return false, err
	}
	if !clean {
		return false, nil
	}
	results, err := r.hunt(ctx, todo)
	if err != nil {
		return false, err
	}
	found := 0
	for _, res := range results {
		if res.found {
			found++
		}
	}
	fmt.Printf("\n%d of %d mutants found\n", found, len(results))
	if o.out != "" && o.only == "" {
		if err := writeTable(o.out, results, r.played); err != nil {
			return false, err
		}
	}
	return found == len(results), nil
}

func choose(only string) ([]mutant, error) {
	all := allMutants()
	if only == "" {
		return all, nil
	}
	var todo []mutant
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(all, func(m mutant) bool { return m.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no mutant is called %q; -list names them", name)
		}
		todo = append(todo, all[i])
	}
	return todo, nil
}

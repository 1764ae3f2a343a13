package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// runner plays suites, a few at a time.
type runner struct {
	o      options
	root   string
	dir    string
	played map[string]time.Duration // how long each suite took without a mutant
}

// result is what became of one mutant.
type result struct {
	mutant mutant
	found  bool
	test   string
	after  string
	said   string
}

// clean plays every suite that a mutant of todo names, without mutants. It reports whether all passed.
func (r *runner) clean(ctx context.Context, todo []mutant) (bool, error) {
	r.played = map[string]time.Duration{}
	var names []string
	for _, m := range todo {
		if _, ok := r.played[m.by]; !ok {
			r.played[m.by] = 0
			names = append(names, m.by)
		}
	}
	fmt.Printf("%d suites without a mutant\n", len(names))
	ok := true
	var mu sync.Mutex
	err := r.each(len(names), func(i int) error {
		name := names[i]
		o, err := r.playOne(ctx, name, "clean-"+name, nil)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		r.played[name] = o.took
		if o.failed {
			ok = false
			fmt.Printf("  %-18s FAILS without a mutant, %s\n%s\n", name, o.after(), indent(o.output))
		} else {
			fmt.Printf("  %-18s %5.1f s\n", name, o.took.Seconds())
		}
		return nil
	})
	return ok, err
}

// hunt plays the suite of each mutant with it.
func (r *runner) hunt(ctx context.Context, todo []mutant) ([]result, error) {
	fmt.Printf("%d mutants\n", len(todo))
	results := make([]result, len(todo))
	var mu sync.Mutex
	err := r.each(len(todo), func(i int) error {
		m := todo[i]
		results[i] = result{mutant: m}
		o, err := r.playOne(ctx, m.by, m.name, &m)
		if errors.Is(err, errCompile) {
			mu.Lock()
			defer mu.Unlock()
			fmt.Printf("  %-28s NOT FOUND: %v\n", m.name, err)
			return nil
		}
		if err != nil {
			return fmt.Errorf("mutant %s: %w", m.name, err)
		}
		says, err := regexp.Compile(m.says)
		if err != nil {
			return fmt.Errorf("mutant %s: %w", m.name, err)
		}
		res := result{mutant: m, test: o.test(), after: o.after(), said: o.excerpt(says)}
		res.found = o.failed && (says.MatchString(o.output) || o.hung && m.says == hangs)
		results[i] = res
		mu.Lock()
		defer mu.Unlock()
		switch {
		case res.found:
			fmt.Printf("  %-28s found by %s %s, %s: %s\n", m.name, m.by, res.test, res.after, res.said)
		case o.failed:
			fmt.Printf("  %-28s NOT FOUND: %s fails, but not in the way that %q describes, %s\n%s\n", m.name, m.by, m.says, res.after, indent(o.output))
		default:
			fmt.Printf("  %-28s NOT FOUND by %s, %s\n", m.name, m.by, res.after)
		}
		if r.o.keep {
			fmt.Println(indent(o.output))
		}
		return nil
	})
	return results, err
}

func (r *runner) playOne(ctx context.Context, name, as string, m *mutant) (outcome, error) {
	s, ok := suites[name]
	if !ok {
		return outcome{}, fmt.Errorf("there is no suite %q", name)
	}
	dir := filepath.Join(r.dir, as)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return outcome{}, err
	}
	defer os.RemoveAll(dir)
	overlay := ""
	if m != nil {
		var err error
		if overlay, err = m.overlay(r.root, dir); err != nil {
			return outcome{}, err
		}
	}
	return s.play(ctx, r.root, dir, overlay)
}

// each calls do for 0…n-1, a few at a time, and returns the first error, after which no more begin.
func (r *runner) each(n int, do func(i int) error) error {
	var mu sync.Mutex
	var first error
	var g sync.WaitGroup
	slots := make(chan struct{}, max(r.o.jobs, 1))
	for i := range n {
		slots <- struct{}{}
		mu.Lock()
		over := first != nil
		mu.Unlock()
		if over {
			<-slots
			break
		}
		g.Go(func() {
			defer func() { <-slots }()
			if err := do(i); err != nil {
				mu.Lock()
				if first == nil {
					first = err
				}
				mu.Unlock()
			}
		})
	}
	g.Wait()
	return first
}

// indent is the first lines of a suite's output.
func indent(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	if len(lines) > 40 {
		lines = append(lines[:40], "…")
	}
	return "      " + strings.Join(lines, "\n      ")
}

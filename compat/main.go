// Command compat runs the broker tests of the published pulsar-client-go module, unchanged but for the address, against a
// fresh `strobe standalone`, and prints a table by group. `make compat` calls it.
//
// Each test has a process of its own: upstream's tests use a nil producer after a failed assertion, so that the first
// failure of a plain `go test` would end the run and hide the rest.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

//go:embed groups.json
var groupsJSON []byte

type group struct {
	Group string `json:"group"`
	Tests []test `json:"tests"`
}

// test is one top-level Go test of the client.
type test struct {
	Name    string `json:"name"`
	Vacuous bool   `json:"vacuous"` // passes with no broker, or is always skipped: it counts for nothing but may not fail
	Later   string `json:"later"`   // why it is not expected to pass yet; it is run and reported, not counted
}

type options struct {
	version string
	strobe  string
	out     string
	groups  string
	tests   string
	rounds  int
	jobs    int
	timeout time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.version, "version", "v0.21.0", "version of the pulsar-client-go module whose tests run")
	flag.StringVar(&o.strobe, "strobe", "bin/strobe", "the binary under test")
	flag.StringVar(&o.out, "out", ".cache/compat", "directory for logs and results")
	flag.StringVar(&o.groups, "groups", "", "only these groups, with commas")
	flag.StringVar(&o.tests, "tests", "", "only tests whose name matches this regular expression")
	flag.IntVar(&o.rounds, "rounds", 3, "how often the whole suite runs, each time on an empty broker")
	flag.IntVar(&o.jobs, "jobs", 2, "tests side by side")
	flag.DurationVar(&o.timeout, "timeout", 150*time.Second, "time one test may take")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ok, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "compat:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (bool, error) {
	todo, err := choose(o)
	if err != nil {
		return false, err
	}
	if o.out, err = filepath.Abs(o.out); err != nil {
		return false, err
	}
	all := true
	for round := 1; round <= o.rounds; round++ {
		dir := filepath.Join(o.out, fmt.Sprintf("round-%d", round))
		if err := os.RemoveAll(dir); err != nil {
			return false, err
		}
		if err := os.MkdirAll(filepath.Join(dir, "logs"), 0o755); err != nil {
			return false, err
		}
		ok, err := runRound(ctx, o, round, dir, todo)
		if err != nil {
			return false, err
		}
		all = all && ok
	}
	if o.groups == "" && o.tests == "" {
		if err := runPython(ctx, o); err != nil {
			fmt.Println("python:", err)
			all = false
		}
	}
	return all, nil
}

func choose(o options) ([]group, error) {
	var all []group
	if err := json.Unmarshal(groupsJSON, &all); err != nil {
		return nil, err
	}
	pattern, err := regexp.Compile(o.tests)
	if err != nil {
		return nil, err
	}
	var todo []group
	for _, g := range all {
		if o.groups != "" && !slices.Contains(strings.Split(o.groups, ","), g.Group) {
			continue
		}
		g.Tests = slices.DeleteFunc(g.Tests, func(t test) bool { return !pattern.MatchString(t.Name) })
		if len(g.Tests) > 0 {
			todo = append(todo, g)
		}
	}
	if len(todo) == 0 {
		return nil, fmt.Errorf("no test chosen")
	}
	return todo, nil
}

func runRound(ctx context.Context, o options, round int, dir string, todo []group) (bool, error) {
	b, err := startBroker(ctx, o.strobe, dir)
	if err != nil {
		return false, err
	}
	defer b.Close()
	bin, cwd, err := buildTests(ctx, o, b)
	if err != nil {
		return false, err
	}
	if err := prepare(ctx, b); err != nil {
		return false, err
	}
	started := time.Now()
	var mu sync.Mutex
	results := map[string]result{}
	var wg sync.WaitGroup
	slots := make(chan struct{}, o.jobs)
	for _, g := range todo {
		for _, t := range g.Tests {
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				r := runTest(ctx, bin, cwd, filepath.Join(dir, "logs"), t.Name, o.timeout)
				mu.Lock()
				defer mu.Unlock()
				results[t.Name] = r
				if r.outcome == failed {
					fmt.Printf("  %s %s after %.1f s: %s\n", t.Name, r.outcome, r.took.Seconds(), r.why)
				}
			})
		}
	}
	wg.Wait()
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	fmt.Printf("round %d of %d, pulsar-client-go %s, %.0f s\n", round, o.rounds, o.version, time.Since(started).Seconds())
	return printTable(todo, results), nil
}

// printTable prints a line a group and reports whether every counted test passed.
func printTable(todo []group, results map[string]result) bool {
	fmt.Printf("%-18s %7s %6s %6s %6s %8s\n", "group", "counted", "pass", "fail", "later", "vacuous")
	var sum [5]int
	for _, g := range todo {
		var n [5]int
		for _, t := range g.Tests {
			out := results[t.Name].outcome
			switch {
			case t.Later != "":
				n[3]++
			case t.Vacuous:
				n[4]++
				if out == failed {
					n[2]++
				}
			case out == passed:
				n[0]++
				n[1]++
			default: // a skip proves nothing either
				n[0]++
				n[2]++
			}
		}
		fmt.Printf("%-18s %7d %6d %6d %6d %8d\n", g.Group, n[0], n[1], n[2], n[3], n[4])
		for i := range sum {
			sum[i] += n[i]
		}
	}
	fmt.Printf("%-18s %7d %6d %6d %6d %8d\n\n", "total", sum[0], sum[1], sum[2], sum[3], sum[4])
	return sum[2] == 0
}

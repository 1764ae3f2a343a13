// Command fuzzall runs every fuzz target of the module and those nested in it, each for the same time, one after the other, and stops at the first
// crash. `make fuzz` calls it.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

var target = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(\w+ \*testing\.F\)`)

func main() {
	time := flag.String("time", "60s", "how long each target runs")
	root := flag.String("root", "..", "root of the module")
	only := flag.String("only", "", "only targets whose package or name contains this")
	flag.Parse()
	if err := run(*root, *time, *only); err != nil {
		fmt.Fprintln(os.Stderr, "fuzzall:", err)
		os.Exit(1)
	}
}

func run(root, time, only string) error {
	return filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); strings.HasPrefix(name, ".") && path != root || name == "testdata" || name == "dist" || name == "bin" {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		pkg, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, m := range target.FindAllSubmatch(text, -1) {
			name := string(m[1])
			if !strings.Contains(pkg+"."+name, only) {
				continue
			}
			fmt.Printf("fuzz %s %s\n", pkg, name)
			cmd := exec.Command("go", "test", ".", "-run", "^$", "-fuzz", "^"+name+"$", "-fuzztime", time, "-fuzzminimizetime", "2s")
			cmd.Dir = filepath.Dir(path) // which may be in a nested module
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("%s %s: %w\n%s", pkg, name, err, out)
			}
		}
		return nil
	})
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// suite is tests of one package with the seeds they use. It is the same with and without a mutant.
type suite struct {
	pkg     string
	run     string   // -test.run
	args    []string // seeds
	what    string   // what it does to the code, for people
	unit    bool     // it tells a story that somebody thought of, instead of playing many
	timeout time.Duration
}

// outcome is one run of a suite.
type outcome struct {
	failed bool
	hung   bool
	took   time.Duration
	output string
}

// errCompile is that a suite does not compile: that finds nothing.
var errCompile = errors.New("does not compile")

// play builds the suite's test binary, with the overlay unless it is empty, and runs it in the package's directory. An error means that there
// is no outcome: errCompile, or it could not be run.
func (s *suite) play(ctx context.Context, root, dir, overlay string) (outcome, error) {
	bin := filepath.Join(dir, "suite.test")
	args := []string{"test", "-c", "-vet=off", "-o", bin}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	build := exec.CommandContext(ctx, "go", append(args, "./"+s.pkg)...)
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return outcome{}, ctx.Err()
		}
		return outcome{}, fmt.Errorf("%s %w: %w\n%s", s.pkg, errCompile, err, out)
	}
	// Everything a test leaves behind when it ends hard lies below dir.
	tmp := filepath.Join(dir, "tmp")
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return outcome{}, err
	}
	limit := s.timeout
	if limit == 0 {
		limit = 3 * time.Minute // of a slow machine: most need seconds
	}
	test := exec.CommandContext(ctx, bin, append([]string{"-test.run=" + s.run, "-test.timeout=" + limit.String()}, s.args...)...)
	test.Dir = filepath.Join(root, filepath.FromSlash(s.pkg))
	test.Env = append(os.Environ(), "TMPDIR="+tmp)
	test.WaitDelay = 5 * time.Second // for what it started and did not end
	begin := time.Now()
	out, err := test.CombinedOutput()
	o := outcome{took: time.Since(begin), output: string(out)}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return outcome{}, ctx.Err()
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		if strings.Contains(o.output, "no tests to run") {
			return outcome{}, fmt.Errorf("%s has no test %s", s.pkg, s.run)
		}
		return o, nil
	case errors.As(err, &exit):
		o.failed = true
		o.hung = strings.Contains(o.output, "panic: test timed out")
		return o, nil
	}
	return outcome{}, err
}

var (
	failedTest = regexp.MustCompile(`(?m)^--- FAIL: (\w+)`)
	crashed    = regexp.MustCompile(`(?m)^(?:panic|fatal error): (.*)$`)
	runningIn  = regexp.MustCompile(`(?m)^\s+(Test\w+) \(`)
	// How far the histories were played when one of them showed it; the tests number them from 0.
	counted = []struct {
		pattern *regexp.Regexp
		word    string
	}{
		{regexp.MustCompile(`seed (\d+)`), "seed"},
		{regexp.MustCompile(`failed after (\d+) tests`), "history"},
		{regexp.MustCompile(`at step (\d+)`), "step"},
	}
)

// test is which test failed, as far as the output says so.
func (o *outcome) test() string {
	if m := failedTest.FindStringSubmatch(o.output); m != nil {
		return m[1]
	}
	if m := runningIn.FindStringSubmatch(o.output); m != nil {
		return m[1]
	}
	return ""
}

// after is how far it came and how long that took.
func (o *outcome) after() string {
	took := fmt.Sprintf("%.1f s", o.took.Seconds())
	for _, c := range counted {
		if m := c.pattern.FindStringSubmatch(o.output); m != nil {
			return c.word + " " + m[1] + ", " + took
		}
	}
	return took
}

// excerpt is the sentence that showed it: what says matched, or what the process died of.
func (o *outcome) excerpt(says *regexp.Regexp) string {
	if m := says.FindString(o.output); m != "" {
		return m
	}
	if m := crashed.FindString(o.output); m != "" {
		return m
	}
	return ""
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/strobemq/strobe/internal/product"
)

// buildTests takes the module's source from the module cache, points its fixed addresses at the broker, and compiles the
// test binary. It returns the binary and the directory it must run in.
func buildTests(ctx context.Context, o options, b *product.Process) (bin, cwd string, err error) {
	var mod struct{ Dir string }
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", "github.com/apache/pulsar-client-go@"+o.version)
	cmd.Dir = os.TempDir()
	text, err := cmd.Output()
	if err != nil {
		return "", "", fmt.Errorf("fetching the tests: %w\n%s", err, text)
	}
	if err := json.Unmarshal(text, &mod); err != nil {
		return "", "", err
	}
	src := filepath.Join(o.out, "src")
	if err := os.RemoveAll(src); err != nil {
		return "", "", err
	}
	if err := os.CopyFS(src, os.DirFS(mod.Dir)); err != nil {
		return "", "", err
	}
	if err := writable(src); err != nil {
		return "", "", err
	}
	cwd = filepath.Join(src, "pulsar")
	if err := rewriteAddresses(cwd, b); err != nil {
		return "", "", err
	}
	bin = filepath.Join(o.out, "pulsar.test")
	build := exec.CommandContext(ctx, "go", "test", "-c", "-o", bin, "./pulsar")
	build.Dir = src
	if text, err := build.CombinedOutput(); err != nil {
		return "", "", fmt.Errorf("compiling the tests: %w\n%s", err, text)
	}
	return bin, cwd, nil
}

// writable undoes the write protection of the module cache in the copy.
func writable(dir string) error {
	return filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.Chmod(path, 0o755)
		}
		return os.Chmod(path, 0o644)
	})
}

func rewriteAddresses(dir string, b *product.Process) error {
	host := strings.TrimPrefix(b.HTTP, "http://")
	replace := strings.NewReplacer(
		`"http://localhost:8081,localhost:8080"`, `"http://localhost:1,`+host+`"`, // the first of two is to be down
		`"pulsar://localhost:6650"`, `"`+b.Pulsar+`"`,
		`"http://localhost:8080"`, `"`+b.HTTP+`"`,
	)
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		return err
	}
	files = append(files, filepath.Join(dir, "..", "pulsaradmin", "pkg", "admin", "admin.go")) // holds the default address
	for _, f := range files {
		old, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		if text := replace.Replace(string(old)); text != string(old) {
			if err := os.WriteFile(f, []byte(text), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

type outcome string

const (
	passed  outcome = "passed"
	failed  outcome = "failed"
	skipped outcome = "skipped"
)

type result struct {
	outcome outcome
	took    time.Duration
	why     string
}

var (
	firstError = regexp.MustCompile(`(?m)^\s+Error:\s+(.*)$`)
	panicked   = regexp.MustCompile(`(?m)^panic: (.*)$`)
)

// runTest runs one test in a process of its own and keeps its output as a log.
func runTest(ctx context.Context, bin, cwd, logs, name string, timeout time.Duration) result {
	ctx, cancel := context.WithTimeout(ctx, timeout+30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, "-test.run", "^"+name+"$", "-test.v", "-test.timeout", timeout.String())
	cmd.Dir = cwd
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	err := cmd.Run()
	r := result{took: time.Since(start)}
	if werr := os.WriteFile(filepath.Join(logs, name+".log"), out.Bytes(), 0o644); werr != nil {
		err = errors.Join(err, werr)
	}
	text := out.String()
	switch {
	case err == nil && strings.Contains(text, "--- PASS: "+name+" "):
		r.outcome = passed
	case err == nil && strings.Contains(text, "--- SKIP: "+name+" "):
		r.outcome = skipped
	default:
		r.outcome, r.why = failed, "see its log"
		if m := firstError.FindStringSubmatch(text); m != nil {
			r.why = m[1]
		} else if m := panicked.FindStringSubmatch(text); m != nil {
			r.why = "panic: " + m[1]
		}
	}
	return r
}

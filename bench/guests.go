package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// guestsDir is where the guests' sources are, seen from the repository's root, where `make bench` runs.
const guestsDir = "bench/guests"

// buildFunction builds one of the functions the way users do and returns the path of its module.
func (b *bench) buildFunction(ctx context.Context, name string) (string, error) {
	out := filepath.Join(b.dir, name+".wasm")
	if _, err := os.Stat(out); err == nil {
		return out, nil
	}
	text, err := exec.CommandContext(ctx, b.strobe, "functions", "build", guestsDir+"/"+name, "--out", out).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the function %s: %w\n%s", name, err, text)
	}
	return out, nil
}

// buildRaw builds the guest of F6.
func (b *bench) buildRaw(ctx context.Context) ([]byte, error) {
	out := filepath.Join(b.dir, "raw.wasm")
	cmd := exec.CommandContext(ctx, "go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", out, "./"+guestsDir+"/raw")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the raw guest: %w\n%s", err, text)
	}
	return os.ReadFile(out)
}

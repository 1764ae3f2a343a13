package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// wheel is the stock Python client, of which a smoke test runs.
const wheel = "pulsar-client==3.13.0"

//go:embed smoke.py
var smoke []byte

// runPython runs the smoke test of the Python client against a fresh broker; where there is no Python it says so and leaves it out.
func runPython(ctx context.Context, o options) error {
	python, err := exec.LookPath("python3")
	if err != nil {
		fmt.Println("python: left out, there is no python3 here")
		return nil
	}
	dir := filepath.Join(o.out, "python")
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	script := filepath.Join(dir, "smoke.py")
	if err := os.WriteFile(script, smoke, 0o644); err != nil {
		return err
	}
	lib := filepath.Join(dir, "lib")
	if out, err := exec.CommandContext(ctx, python, "-m", "pip", "install", "--quiet", "--target", lib, wheel).CombinedOutput(); err != nil {
		fmt.Printf("python: left out, %s cannot be installed: %v\n%s", wheel, err, out)
		return nil
	}
	b, err := startBroker(ctx, o.strobe, dir)
	if err != nil {
		return err
	}
	defer b.Close()
	cmd := exec.CommandContext(ctx, python, script, b.Pulsar)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+lib)
	out, err := cmd.CombinedOutput()
	fmt.Print(string(out))
	return err
}

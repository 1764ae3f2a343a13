package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/strobemq/strobe/internal/product"
)

// startStrobe starts the demo's standalone server.
func (d *demo) startStrobe(ctx context.Context) (*product.Process, error) {
	return product.Start(ctx, product.Options{Binary: d.strobe, Dir: filepath.Join(d.dir, "strobe"), Set: []string{"worker.secretEnvironment=SHOP_PASSWORD"},
		Env: []string{"SHOP_PASSWORD=" + d.postgres.Password}})
}

// command runs a verb of the CLI against the demo's server.
func (d *demo) command(ctx context.Context, args ...string) error {
	text, err := d.server.Run(ctx, args...)
	for line := range strings.Lines(text) {
		d.say("  %s", strings.TrimRight(line, "\n"))
	}
	return err
}

// build compiles the function and puts it beside a copy of the pipeline that names this run's Postgres.
func (d *demo) build(ctx context.Context) error {
	const here = "examples/outbox"
	cmd := exec.CommandContext(ctx, d.strobe, "functions", "build", filepath.Join(here, "enrich"), "--out", filepath.Join(d.dir, "enrich.wasm"))
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the function: %w\n%s", err, text)
	}
	pipeline, err := os.ReadFile(filepath.Join(here, "pipeline.yaml"))
	if err != nil {
		return err
	}
	pipeline = bytes.Replace(pipeline, []byte("port: 5432"), []byte("port: "+strconv.Itoa(d.postgres.Port)), 1)
	return os.WriteFile(filepath.Join(d.dir, "pipeline.yaml"), pipeline, 0o644)
}

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// strobeProcess is a `strobe standalone` of the demo.
type strobeProcess struct {
	cmd     *exec.Cmd
	Pulsar  string `json:"pulsar"`
	HTTP    string `json:"http"`
	ReadyMs int64  `json:"readyMs"`
}

func startStrobe(ctx context.Context, program, dir, listen, http, password string) (*strobeProcess, error) {
	p := &strobeProcess{cmd: exec.CommandContext(ctx, program, "standalone", "--data", filepath.Join(dir, "strobe"), "--listen", listen, "--http", http,
		"--set", "worker.secretEnvironment=SHOP_PASSWORD", "-o", "json")}
	p.cmd.Env = append(os.Environ(), "SHOP_PASSWORD="+password)
	log, err := os.OpenFile(filepath.Join(dir, "strobe.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd.Stderr = log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, p)
	}
	if err != nil {
		p.kill()
		text, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("strobe did not become ready: %w\n%s", err, text)
	}
	return p, nil
}

// kill is kill -9.
func (p *strobeProcess) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait() // says that it was killed
}

func (p *strobeProcess) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
}

// command runs a verb of the CLI against the demo's server.
func (d *demo) command(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, d.strobe, args...)
	cmd.Env = append(os.Environ(), "STROBE_SERVER="+d.server.HTTP, "STROBE_URL="+d.server.Pulsar)
	text, err := cmd.CombinedOutput()
	for line := range strings.Lines(string(text)) {
		d.say("  %s", strings.TrimRight(line, "\n"))
	}
	if err != nil {
		return fmt.Errorf("strobe %s: %w\n%s", strings.Join(args, " "), err, text)
	}
	return nil
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

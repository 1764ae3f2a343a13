package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// broker is one `strobe standalone` on an empty directory.
type broker struct {
	cmd    *exec.Cmd
	Pulsar string `json:"pulsar"`
	HTTP   string `json:"http"`
}

func startBroker(ctx context.Context, strobe, dir string) (*broker, error) {
	log, err := os.Create(filepath.Join(dir, "strobe.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	b := &broker{}
	b.cmd = exec.CommandContext(ctx, strobe, "standalone", "--data", filepath.Join(dir, "data"),
		"--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--advertise", "localhost", "--set", "broker.maxMessageSize=1048576", "-o", "json")
	b.cmd.Stderr = log
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, b)
	}
	if err != nil {
		b.stop()
		return nil, fmt.Errorf("strobe did not become ready (see %s): %w", log.Name(), err)
	}
	return b, nil
}

func (b *broker) stop() {
	_ = b.cmd.Process.Signal(syscall.SIGTERM)
	_ = b.cmd.Wait()
}

// prepare makes over REST what upstream's start script makes: the tenants and namespaces its tests expect.
func (b *broker) prepare(ctx context.Context) error {
	for _, step := range []struct{ method, path, body string }{
		{"POST", "/admin/v2/tenants/public", `{"adminRoles":["anonymous"],"allowedClusters":["standalone"]}`},
		{"PUT", "/admin/v2/tenants/private", `{"adminRoles":[],"allowedClusters":["standalone"]}`},
		{"PUT", "/admin/v2/namespaces/private/auth", ``},
	} {
		r, err := http.NewRequestWithContext(ctx, step.method, b.HTTP+step.path, bytes.NewBufferString(step.body))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/json")
		c := http.Client{Timeout: 10 * time.Second}
		resp, err := c.Do(r)
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode/100 != 2 {
			return fmt.Errorf("%s %s: %s", step.method, step.path, resp.Status)
		}
	}
	return nil
}

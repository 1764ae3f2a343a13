package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// refused runs strobe with arguments with which it cannot start, and returns what it says.
func refused(t *testing.T, args ...string) string {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, append([]string{"standalone"}, args...)...).CombinedOutput()
	if err == nil {
		t.Errorf("it started: %s", out)
	}
	return string(out)
}

func TestWhoHasTheDirectoryAndThePortIsSaid(t *testing.T) {
	data := t.TempDir()
	p := start(t, data, "127.0.0.1:0", "127.0.0.1:0")
	defer p.stop(t)
	said := refused(t, "--data", data, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0")
	if !strings.Contains(said, "STB-PROCESS-0002") || !strings.Contains(said, "process "+strconv.Itoa(p.cmd.Process.Pid)) {
		t.Errorf("about the directory: %s", said)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	said = refused(t, "--data", t.TempDir(), "--listen", l.Addr().String(), "--http", "127.0.0.1:0")
	if !strings.Contains(said, "STB-PROCESS-0003") || !strings.Contains(said, l.Addr().String()) {
		t.Errorf("about the port: %s", said)
	}
}

func TestADirectoryThatIsNoneIsSaid(t *testing.T) {
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if said := refused(t, "--data", file); !strings.Contains(said, "STB-PROCESS-0005") {
		t.Error(said)
	}
}

// A restart finds everything: topics, subscriptions, positions.
func TestRestartAfterAnOrderlyStop(t *testing.T) {
	data := t.TempDir()
	for range 3 {
		p := start(t, data, "127.0.0.1:0", "127.0.0.1:0")
		p.stop(t)
	}
}

// get reads what a URL answers, whatever the status.
func get(t *testing.T, url string) string {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

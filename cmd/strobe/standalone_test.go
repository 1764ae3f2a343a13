package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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
	said := refused(t, "--data", filepath.Join(data, "data"), "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0")
	if !strings.Contains(said, "STB-PROCESS-0002") || !strings.Contains(said, "process "+strconv.Itoa(p.PID)) {
		t.Errorf("about the directory: %s", said)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	mine, _, _ := strings.Cut(filepath.Base(os.Args[0]), ".")
	its, web := strings.TrimPrefix(p.Pulsar, "pulsar://"), strings.TrimPrefix(p.HTTP, "http://")
	_, number, _ := net.SplitHostPort(its)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	for _, x := range []struct{ what, listen, http, addr, by string }{
		{"of this test", l.Addr().String(), "127.0.0.1:0", l.Addr().String(), fmt.Sprintf("process %d (%s", os.Getpid(), mine)},
		{"of a child", its, "127.0.0.1:0", its, fmt.Sprintf("process %d (strobe)", p.PID)},
		{"of a child, for REST", "127.0.0.1:0", web, web, fmt.Sprintf("process %d (strobe)", p.PID)},
		{"of a child, on all addresses", ":" + number, "127.0.0.1:0", ":" + number, fmt.Sprintf("process %d (strobe)", p.PID)},
		{"of its own", free.Addr().String(), free.Addr().String(), free.Addr().String(), "this process: --listen and --http"},
	} {
		said := refused(t, "--data", t.TempDir(), "--listen", x.listen, "--http", x.http)
		want := x.addr + " is used by " + x.by
		if runtime.GOOS != "linux" {
			want = x.addr + "; `sudo lsof"
		}
		if !strings.Contains(said, "STB-PROCESS-0003") || !strings.Contains(said, want) {
			t.Errorf("about a port %s: %s\nwant %q", x.what, said, want)
		}
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

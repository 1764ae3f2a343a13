package nats

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// Version is what the nested module builds.
const Version = "2.15.2"

// binary returns the path of a nats-server program, kept where etcd is kept; STROBE_NATS names one that is there already.
func binary(progress io.Writer) (string, error) {
	if path := os.Getenv("STROBE_NATS"); path != "" {
		return path, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no place to keep nats-server in: %w; set STROBE_NATS to one", err)
	}
	path := filepath.Join(cache, "strobe", "nats-server-"+Version)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	module, err := serverModule()
	if err != nil {
		return "", err
	}
	if progress != nil {
		fmt.Fprintf(progress, "building nats-server %s into %s (once)\n", Version, path)
	}
	cmd := exec.Command("go", "build", "-C", module, "-tags", "natsserver", "-trimpath", "-ldflags", "-s -w", "-o", path+".new", ".")
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building nats-server %s: %w: %s; or set STROBE_NATS to one", Version, err, out)
	}
	return path, os.Rename(path+".new", path)
}

// serverModule finds the nested module's source: beside this file, or below the working directory where paths were trimmed.
func serverModule() (string, error) {
	dirs := []string{filepath.Join("bench", "nats", "server")}
	if _, file, _, ok := runtime.Caller(0); ok {
		dirs = append(dirs, filepath.Join(filepath.Dir(file), "server"))
	}
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Abs(dir)
		}
	}
	return "", errors.New("no nats-server here, and not in Strobe's source to build one; set STROBE_NATS to one")
}

package etcdtest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
)

// Binary returns the path of an etcd program. The first time on a machine it builds one, which takes minutes, and says so on
// progress (nil: nobody).
func Binary(progress io.Writer) (string, error) {
	if path := os.Getenv("STROBE_ETCD"); path != "" {
		if _, err := exec.Command(path, "--version").Output(); err != nil {
			return "", fmt.Errorf("STROBE_ETCD=%s: %w", path, err)
		}
		return path, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no place to keep etcd in: %w; set STROBE_ETCD to an etcd program", err)
	}
	dir := filepath.Join(cache, "strobe")
	path := filepath.Join(dir, "etcd-"+Version)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	// Test processes of several packages come here at once; one builds.
	lock, err := os.Create(path + ".lock")
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if progress != nil {
		fmt.Fprintf(progress, "building etcd %s into %s (once)\n", Version, path)
	}
	return path, build(path)
}

func build(path string) error {
	module, err := serverModule()
	if err != nil {
		return err
	}
	temporary := path + ".new"
	cmd := exec.Command("go", "build", "-C", module, "-tags", "etcdserver", "-trimpath", "-ldflags", "-s -w", "-o", temporary, ".")
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building etcd %s: %w: %s; or set STROBE_ETCD to an etcd program", Version, err, out)
	}
	return os.Rename(temporary, path)
}

// serverModule finds the nested module's source: beside this file, or below the working directory's module where paths were trimmed
// from the binary.
func serverModule() (string, error) {
	if _, file, _, ok := runtime.Caller(0); ok {
		if dir := filepath.Join(filepath.Dir(file), "server"); isModule(dir) {
			return dir, nil
		}
	}
	at, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if dir := filepath.Join(at, "storage", "meta", "etcd", "etcdtest", "server"); isModule(dir) {
			return dir, nil
		}
		up := filepath.Dir(at)
		if up == at {
			return "", errors.New("no etcd here, and not inside Strobe's source to build one; set STROBE_ETCD to an etcd program")
		}
		at = up
	}
}

func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

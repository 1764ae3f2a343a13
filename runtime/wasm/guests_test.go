package wasm

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Guests are built by the go tool from testdata/guests before the tests, into the user's cache: the go tool leaves a file alone that is up to
// date.
var (
	echoGuest, unrulyGuest []byte
	testEngine             *Engine
)

func TestMain(m *testing.M) {
	if err := buildGuests(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func buildGuests() error {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	cache = filepath.Join(cache, "strobe-test")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	for name, to := range map[string]*[]byte{"echo": &echoGuest, "unruly": &unrulyGuest} {
		file := filepath.Join(cache, name+".wasm")
		cmd := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-o", file, "./"+name)
		cmd.Dir = filepath.Join("testdata", "guests")
		cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOWORK=off", "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building guest %s: %v\n%s", name, err, out)
		}
		if *to, err = os.ReadFile(file); err != nil {
			return err
		}
	}
	testEngine = NewEngine(EngineOptions{CacheDir: filepath.Join(cache, "compiled")})
	return nil
}

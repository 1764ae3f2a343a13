package wasm

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/strobemq/strobe/functions-sdk/archive"
)

// Guests are built by the go tool from testdata/guests before the tests, into the user's cache: the go tool leaves a file alone that is up to
// date, and the engine finds it compiled.
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
		if err := archive.Build(context.Background(), filepath.Join("testdata", "guests", name), file); err != nil {
			return err
		}
		if *to, err = os.ReadFile(file); err != nil {
			return err
		}
	}
	testEngine = NewEngine(EngineOptions{CacheDir: filepath.Join(cache, "compiled")})
	return nil
}

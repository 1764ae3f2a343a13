package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/strobemq/strobe/internal/fault"
)

// Go 1.24 is the first that exports functions of a module.
const goMajor, goMinor = 1, 24

// Build builds the function in dir with the go tool and writes its WASM module to out. What the compiler says is in the error.
func Build(ctx context.Context, dir, out string) error {
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); errors.Is(err, fs.ErrNotExist) {
		return fault.FunctionNoProject.New("%s has no go.mod", dir)
	}
	tool, err := goTool(ctx)
	if err != nil {
		return err
	}
	out, err = filepath.Abs(out)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, tool, "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", out, ".")
	cmd.Dir = dir
	// The project stands for itself, also inside somebody's workspace.
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOWORK=off")
	text, err := cmd.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fault.FunctionBuild.New("%w\n%s", err, strings.TrimSpace(string(text)))
	}
	return nil
}

// goTool finds the go tool and checks its version.
func goTool(ctx context.Context) (string, error) {
	tool, err := exec.LookPath("go")
	if err != nil {
		return "", fault.FunctionNoGo.New("%w", err)
	}
	cmd := exec.CommandContext(ctx, tool, "env", "GOVERSION")
	cmd.Dir = os.TempDir() // a go.mod nearby would have its say
	cmd.Env = append(os.Environ(), "GOTOOLCHAIN=local", "GOWORK=off")
	text, err := cmd.Output()
	if err != nil {
		return "", fault.FunctionNoGo.New("%s: %w", tool, err)
	}
	version := strings.TrimSpace(string(text))
	if !recent(version) {
		return "", fault.FunctionOldGo.New("%s is %s, and go%d.%d is needed", tool, version, goMajor, goMinor)
	}
	return tool, nil
}

// recent tells whether a version as "go1.26.1" is new enough; development versions are.
func recent(version string) bool {
	var major, minor int
	if n, _ := fmt.Sscanf(version, "go%d.%d", &major, &minor); n < 2 {
		return strings.HasPrefix(version, "devel")
	}
	return major > goMajor || major == goMajor && minor >= goMinor
}

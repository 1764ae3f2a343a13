package postgrestest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
)

// binaries returns a directory with initdb and postgres. The first time on a machine without Postgres it fetches them, and says so on
// progress.
func binaries(progress io.Writer) (string, error) {
	if dir := os.Getenv("STROBE_POSTGRES_BIN"); dir != "" {
		if _, err := majorVersion(dir); err != nil {
			return "", fmt.Errorf("STROBE_POSTGRES_BIN: %w", err)
		}
		return dir, nil
	}
	if dir, ok := onPath(); ok {
		return dir, nil
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "postgres-"+Version)
	if _, err := os.Stat(dir); err != nil {
		fmt.Fprintf(progress, "fetching Postgres %s into %s (once)\n", Version, dir)
		if err := fetch(dir); err != nil {
			return "", err
		}
	}
	return filepath.Join(dir, "bin"), nil
}

// onPath finds a Postgres that is new enough and has its initdb beside it.
func onPath() (dir string, ok bool) {
	file, err := exec.LookPath("postgres")
	if err != nil {
		return "", false
	}
	if file, err = filepath.EvalSymlinks(file); err != nil {
		return "", false
	}
	dir = filepath.Dir(file)
	major, err := majorVersion(dir)
	return dir, err == nil && major >= oldest
}

var versionText = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// majorVersion asks both programs of dir; a directory that lacks one is an error.
func majorVersion(dir string) (int, error) {
	var major int
	for _, program := range []string{"postgres", "initdb"} {
		said, err := exec.Command(filepath.Join(dir, program), "--version").Output()
		if err != nil {
			return 0, fmt.Errorf("%s: %w", filepath.Join(dir, program), err)
		}
		m := versionText.FindSubmatch(said)
		if m == nil {
			return 0, fmt.Errorf("%s: no version in %q", filepath.Join(dir, program), said)
		}
		major, _ = strconv.Atoi(string(m[1]))
	}
	return major, nil
}

// cacheDir is where fetched binaries stay. The account that Postgres runs under must be able to reach them.
func cacheDir() (string, error) {
	if as := account(); as.sharedCache != "" {
		return as.sharedCache, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no place to keep Postgres in: %w; set STROBE_POSTGRES_BIN to the bin directory of a Postgres", err)
	}
	return filepath.Join(dir, "strobe"), nil
}

// fetch runs the nested module that knows where binaries are.
func fetch(dir string) error {
	module, err := fetchModule()
	if err != nil {
		return err
	}
	cmd := exec.Command("go", "run", "-C", module, ".", "-version", Version, "-dir", dir)
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("fetching Postgres %s: %w: %s; or set STROBE_POSTGRES_BIN to the bin directory of a Postgres", Version, err, out)
	}
	return nil
}

// fetchModule finds the nested module's source: beside this file, or below the working directory's module where paths were trimmed
// from the binary.
func fetchModule() (string, error) {
	if _, file, _, ok := runtime.Caller(0); ok {
		if dir := filepath.Join(filepath.Dir(file), "fetch"); isModule(dir) {
			return dir, nil
		}
	}
	at, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if dir := filepath.Join(at, "connectors", "postgres", "postgrestest", "fetch"); isModule(dir) {
			return dir, nil
		}
		up := filepath.Dir(at)
		if up == at {
			return "", errors.New("no Postgres here, and not inside Strobe's source to fetch one; set STROBE_POSTGRES_BIN to the bin directory of a Postgres")
		}
		at = up
	}
}

func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

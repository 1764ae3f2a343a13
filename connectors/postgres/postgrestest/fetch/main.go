// Command fetch puts the binaries of one Postgres version into a directory. It is a module of its own so that Strobe itself does not
// depend on the library that knows where they are; package postgrestest runs it with `go run -C`.
//
//	go run -C connectors/postgres/postgrestest/fetch . -version 18.4.0 -dir DIR
//
// DIR holds bin, lib and share afterwards, or is not there: it appears by one rename. Several at once are safe.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	embedded "github.com/fergusstrange/embedded-postgres"
)

func main() {
	version := flag.String("version", "", "version as the archive of binaries calls it, e.g. 18.4.0")
	dir := flag.String("dir", "", "directory to make")
	flag.Parse()
	if *version == "" || *dir == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := fetch(*version, *dir); err != nil {
		fmt.Fprintln(os.Stderr, "fetch:", err)
		os.Exit(1)
	}
}

func fetch(version, dir string) error {
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	unlock, err := lock(dir + ".lock")
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return nil // somebody else made it while we waited
	}
	work, err := os.MkdirTemp(parent, ".fetch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	binaries := filepath.Join(work, "binaries")
	if err := download(version, work, binaries); err != nil {
		return err
	}
	return os.Rename(binaries, dir)
}

// download unpacks the version into binaries. The library has no call for this alone: its Start downloads, unpacks, and goes on to
// initdb, which refuses to run as root. So the data directory it is given lies below a plain file, Start ends there whoever
// runs it, and what counts is that the unpacked server says its version.
func download(version, work, binaries string) error {
	obstacle := filepath.Join(work, "no-directory")
	if err := os.WriteFile(obstacle, nil, 0o600); err != nil {
		return err
	}
	db := embedded.NewDatabase(embedded.DefaultConfig().
		Version(embedded.PostgresVersion(version)).
		Port(0).
		CachePath(filepath.Join(work, "archive")).
		RuntimePath(filepath.Join(work, "runtime")).
		BinariesPath(binaries).
		DataPath(filepath.Join(obstacle, "data")).
		Logger(io.Discard))
	started := db.Start()
	if started == nil {
		return errors.Join(errors.New("the library started a server where it could not"), db.Stop())
	}
	said, err := exec.Command(filepath.Join(binaries, "bin", "postgres"), "--version").Output()
	if err != nil {
		return fmt.Errorf("Postgres %s was not unpacked: %w", version, errors.Join(started, err))
	}
	if want := strings.TrimSuffix(version, ".0"); !strings.Contains(string(said), " "+want) {
		return fmt.Errorf("asked for Postgres %s and got %q", version, strings.TrimSpace(string(said)))
	}
	return nil
}

// lock waits for the exclusive lock on path.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

package worker

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strobemq/strobe/internal/fault"
)

func discardLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestSecretsAreDeniedUnlessAllowed(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, "good"), "s3cret\n")
	write(filepath.Join(outside, "other"), "not yours")
	if err := os.Symlink(filepath.Join(outside, "other"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	write(filepath.Join(dir, "large"), strings.Repeat("x", maxSecret+1))
	t.Setenv("PG_ONE", "1")
	t.Setenv("HOMELY", "2")
	s := Secrets{Environment: []string{"PG_*", "EXACT"}, Directories: []string{dir}}
	for ref, want := range map[string]any{
		"env:PG_ONE":                  "1",
		"env:HOMELY":                  fault.WorkerSecretDenied,
		"env:EXACT":                   fault.WorkerSecretMissing,
		"env:":                        fault.WorkerSecretDenied,
		"file:" + dir + "/good":       "s3cret",
		"file:" + dir + "/nosuch":     fault.WorkerSecretMissing,
		"file:" + dir + "/large":      fault.WorkerSecretMissing,
		"file:" + dir:                 fault.WorkerSecretMissing,
		"file:" + outside + "/other":  fault.WorkerSecretDenied,
		"file:" + outside + "/nosuch": fault.WorkerSecretDenied,
		"file:" + dir + "/link":       fault.WorkerSecretDenied,
		"file:" + dir + "/../" + filepath.Base(outside) + "/other": fault.WorkerSecretDenied,
		"file:good": fault.WorkerSecretDenied,
		"plain":     fault.ManifestSecret,
	} {
		got, err := s.Resolve(ref)
		switch want := want.(type) {
		case string:
			if got != want || err != nil {
				t.Errorf("%s: %q %v", ref, got, err)
			}
		case *fault.Fault:
			if !fault.Has(err, want) {
				t.Errorf("%s: %q %v, want %s", ref, got, err, want.Code)
			}
		}
	}
	if _, err := (Secrets{}).Resolve("env:PG_ONE"); !fault.Has(err, fault.WorkerSecretDenied) {
		t.Errorf("by default: %v", err)
	}
}

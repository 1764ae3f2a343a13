package worker

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/strobemq/strobe/internal/fault"
)

// maxSecret is the largest secret file that is read.
const maxSecret = 64 << 10

// Secrets resolves references to secrets against an allow-list; everything else is denied. Values are not kept, logged or
// printed.
type Secrets struct {
	Environment []string // names that env: references may use; a * at the end allows a prefix
	Directories []string // below which file: references may lie
}

// Resolve returns the value behind env:NAME or file:/path. A file's last line end is cut.
func (s Secrets) Resolve(ref string) (string, error) {
	if name, ok := strings.CutPrefix(ref, "env:"); ok {
		if !s.environmentAllowed(name) {
			return "", fault.WorkerSecretDenied.New("env:%s", name).WithFix("Start strobe with --set worker.secretEnvironment=%s", name)
		}
		v, ok := os.LookupEnv(name)
		if !ok {
			return "", fault.WorkerSecretMissing.New("the environment variable %s is not set in the process of strobe", name)
		}
		return v, nil
	}
	if path, ok := strings.CutPrefix(ref, "file:"); ok {
		return s.file(path)
	}
	return "", fault.ManifestSecret.New("a reference begins with env: or file:")
}

func (s Secrets) environmentAllowed(name string) bool {
	for _, a := range s.Environment {
		if prefix, star := strings.CutSuffix(a, "*"); a == name || star && strings.HasPrefix(name, prefix) {
			return name != ""
		}
	}
	return false
}

// file reads a secret file; links are followed before the directory is judged.
func (s Secrets) file(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil || !filepath.IsAbs(path) {
		// What is denied must not tell whether it exists.
		if !s.below(filepath.Clean(path)) {
			return "", fault.WorkerSecretDenied.New("file:%s", path)
		}
		return "", fault.WorkerSecretMissing.New("file:%s", path)
	}
	if !s.below(real) {
		return "", fault.WorkerSecretDenied.New("file:%s", path).WithFix("Start strobe with --set worker.secretDirectories=%s", filepath.Dir(path))
	}
	info, err := os.Stat(real)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxSecret {
		return "", fault.WorkerSecretMissing.New("file:%s: not a regular file of at most %d bytes", path, maxSecret)
	}
	data, err := os.ReadFile(real)
	if err != nil {
		return "", fault.WorkerSecretMissing.New("file:%s: %w", path, err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r"), nil
}

func (s Secrets) below(path string) bool {
	for _, d := range s.Directories {
		if real, err := filepath.EvalSymlinks(d); err == nil {
			d = real
		}
		if rel, err := filepath.Rel(d, path); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
			return true
		}
	}
	return false
}

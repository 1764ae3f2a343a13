package host

import (
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/strobemq/strobe/runtime/functions"
)

// LogFile is where an instance's log lies below the log directory. The file before it, when it grew full, ends in .1.
func LogFile(dir string, kind functions.Kind, n functions.FQName, index int) string {
	return filepath.Join(dir, string(kind)+"s", n.Tenant, n.Namespace, n.Name, strconv.Itoa(index)+".log")
}

// logFile is a log of bounded size: when it is full it becomes the old one, and a new one begins.
type logFile struct {
	path  string
	limit int64

	mu   sync.Mutex
	f    *os.File
	size int64
}

func openLog(s Settings, in functions.Instance) (*logFile, error) {
	l := &logFile{path: LogFile(s.LogDir, in.Spec.Kind, in.Spec.FQName, in.Index), limit: s.LogBytes}
	if err := os.MkdirAll(filepath.Dir(l.path), 0o755); err != nil {
		return nil, err
	}
	return l, l.open()
}

func (l *logFile) open() error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	l.f, l.size = f, info.Size()
	return nil
}

// Write appends one log line. A log that cannot be written must not stop the instance: the line is lost.
func (l *logFile) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return len(b), nil
	}
	if l.limit > 0 && l.size > 0 && l.size+int64(len(b)) > l.limit {
		l.f.Close()
		l.f = nil
		if err := os.Rename(l.path, l.path+".1"); err != nil {
			return len(b), nil
		}
		if err := l.open(); err != nil {
			return len(b), nil
		}
	}
	n, _ := l.f.Write(b)
	l.size += int64(n)
	return len(b), nil
}

// Close closes the file; later lines are lost. Idempotent.
func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return nil
	}
	err := l.f.Close()
	l.f = nil
	return err
}

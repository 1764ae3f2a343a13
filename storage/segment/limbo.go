package segment

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/vfs"
)

// lost notes that records of generations up to this one are gone and nobody knows whose. The file "limbo" remembers the
// generation, in hexadecimal, until somebody removes it.
func (l *Log) lost(generation uint64, why string) error {
	if generation <= l.lostUpTo.Load() {
		return nil
	}
	l.lostUpTo.Store(generation)
	l.o.Log.Error("ledgers are in limbo", "err", fault.SegmentLost.New("%s: %s", l.dir, why))
	return vfs.ReplaceFile(l.fs, l.limboFile(), fmt.Appendf(nil, "%016x\n", generation))
}

func (l *Log) limboFile() string { return filepath.Join(l.dir, "limbo") }

// Limbo is nil, or a fault that says that the log lost a part of itself, so that absent entries answer bk.ErrLimbo.
func (l *Log) Limbo() error {
	if g := l.lostUpTo.Load(); g > 0 {
		return fault.SegmentLost.New("%s: up to segment %016x", l.dir, g)
	}
	return nil
}

func (l *Log) readLimbo() error {
	b, err := vfs.ReadFile(l.fs, l.limboFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var g uint64
	if _, err := fmt.Sscanf(string(bytes.TrimSpace(b)), "%x", &g); err != nil {
		return fmt.Errorf("%s: %w", l.limboFile(), err)
	}
	l.lostUpTo.Store(g)
	return nil
}

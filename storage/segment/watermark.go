package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/strobemq/strobe/storage/vfs"
)

// mark is a place in the log.
type mark struct {
	generation uint64
	synced     int64
}

func (m mark) before(o mark) bool {
	return m.generation < o.generation || m.generation == o.generation && m.synced < o.synced
}

// markEvery is how old the saved watermark may grow while records come in.
const markEvery = time.Second

// markProgress has the keeper save the watermark when the last one is old. It is called once for each sync.
func (l *Log) markProgress() {
	if l.o.Watermark.Save == nil || time.Since(l.started).Nanoseconds()-l.markedAt.Load() < int64(markEvery) {
		return
	}
	l.markedAt.Store(time.Since(l.started).Nanoseconds())
	l.kick()
}

// head is the place up to which the log is durable now.
func (l *Log) head() mark {
	a := l.reg.last()
	return mark{generation: a.generation, synced: a.end.Load()}
}

// saveMark saves the watermark if the log has moved.
func (k *keeper) saveMark() error {
	l := k.log
	m := l.head()
	if l.o.Watermark.Save == nil || !k.marked.before(m) {
		return nil
	}
	if err := l.o.Watermark.Save(m.generation, m.synced); err != nil {
		return fmt.Errorf("save watermark: %w", err)
	}
	k.marked = m
	return nil
}

// loadMark reads the watermark that an earlier life saved.
func (l *Log) loadMark() (mark, error) {
	if l.o.Watermark.Load == nil {
		return mark{}, nil
	}
	g, synced, ok, err := l.o.Watermark.Load()
	if err != nil {
		return mark{}, fmt.Errorf("load watermark: %w", err)
	}
	if !ok {
		return mark{}, nil
	}
	return mark{generation: g, synced: synced}, nil
}

// The file "failed" is left behind when a sync failed: the generation in hexadecimal and how far that segment was durable. The kernel
// may show bytes behind that which never reached the disk; the next start takes them for torn.

func (l *Log) failedFile() string { return filepath.Join(l.dir, "failed") }

// markFailure writes the file, as well as a failing device lets it. It does not replace what the file says of a segment that the keeper has not
// sealed since: that one was continued in another, and the bytes it must not show lie where nothing overwrote them.
func (k *keeper) markFailure() {
	l := k.log
	l.state.mu.Lock()
	m := l.state.failure
	l.state.mu.Unlock()
	if m.generation == 0 || m == k.failure || k.distrusted != 0 {
		return
	}
	if err := vfs.ReplaceFile(l.fs, l.failedFile(), fmt.Appendf(nil, "%016x %d\n", m.generation, m.synced)); err != nil {
		l.o.Log.Error("failure not noted", "err", err)
		return
	}
	k.failure = m
}

func (l *Log) readFailure() (mark, error) {
	b, err := vfs.ReadFile(l.fs, l.failedFile())
	if errors.Is(err, fs.ErrNotExist) {
		return mark{}, nil
	}
	if err != nil {
		return mark{}, err
	}
	var m mark
	if _, err := fmt.Sscanf(string(b), "%x %d", &m.generation, &m.synced); err != nil {
		return mark{}, fmt.Errorf("%s: %w", l.failedFile(), err)
	}
	return m, nil
}

// clearFailure removes the file once the bytes it distrusts are overwritten.
func (l *Log) clearFailure() error {
	if err := l.fs.Remove(l.failedFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return l.fs.SyncDir(l.dir)
}

package segment

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/strobemq/strobe/storage/vfs"
)

// damage is a range of a segment whose bytes do not verify although they were durable.
type damage struct {
	generation uint64
	from, to   int64
}

// damageError is a record or an index that was durable and does not verify any more.
type damageError struct{ damage }

func (e *damageError) Error() string {
	return fmt.Sprintf("%s: bytes %d to %d do not verify", segmentName(e.generation), e.from, e.to)
}

// damaged sets a range aside: the log takes no entries until the segment is freed. The file "quarantine" remembers it, a line for
// each range: generation in hexadecimal, from, to.
func (l *Log) damaged(d damage) {
	first := false
	l.state.change(func(s *state) {
		if !slices.Contains(s.damage, d) {
			s.damage = append(s.damage, d)
			s.unsaved, first = true, true
		}
	})
	if first {
		l.o.Log.Error("damaged bytes set aside", "segment", segmentName(d.generation), "from", d.from, "to", d.to)
		l.kick()
	}
}

// forgetDamage drops the ranges of a segment, from an offset on, that nobody reads any more.
func (l *Log) forgetDamage(generation uint64, from int64) {
	l.state.change(func(s *state) {
		n := len(s.damage)
		s.damage = slices.DeleteFunc(s.damage, func(d damage) bool { return d.generation == generation && d.from >= from })
		s.unsaved = s.unsaved || len(s.damage) != n
	})
}

func (l *Log) quarantineFile() string { return filepath.Join(l.dir, "quarantine") }

// quarantine writes the file when the ranges have changed.
func (k *keeper) quarantine() error {
	l := k.log
	l.state.mu.Lock()
	ranges, due := slices.Clone(l.state.damage), l.state.unsaved
	l.state.unsaved = false
	l.state.mu.Unlock()
	if !due {
		return nil
	}
	if err := l.writeQuarantine(ranges); err != nil {
		l.state.change(func(s *state) { s.unsaved = true })
		return err
	}
	return nil
}

func (l *Log) writeQuarantine(ranges []damage) error {
	if len(ranges) == 0 {
		if err := l.fs.Remove(l.quarantineFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return l.fs.SyncDir(l.dir)
	}
	var b bytes.Buffer
	for _, d := range ranges {
		fmt.Fprintf(&b, "%016x %d %d\n", d.generation, d.from, d.to)
	}
	return vfs.ReplaceFile(l.fs, l.quarantineFile(), b.Bytes())
}

// readQuarantine takes over what the last life set aside.
func (l *Log) readQuarantine() error {
	b, err := vfs.ReadFile(l.fs, l.quarantineFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for line := range bytes.Lines(b) {
		var d damage
		if _, err := fmt.Sscanf(string(line), "%x %d %d", &d.generation, &d.from, &d.to); err == nil {
			l.state.change(func(s *state) { s.damage = append(s.damage, d) })
		}
	}
	return nil
}

package segment

import (
	"errors"
	"io"
	"path/filepath"

	"github.com/strobemq/strobe/internal/fault"
)

// recover finds out what the directory holds and readies the writer behind it.
func (l *Log) recover() error {
	if err := l.openSegments(); err != nil {
		return err
	}
	if len(l.open) == 0 {
		if err := l.begin(); err != nil {
			return err
		}
	}
	prev := link{known: l.open[0].generation == 1}
	for _, s := range l.open {
		found, err := l.scan(s, prev)
		if err != nil {
			return fault.SegmentUnusable.New("%w", err)
		}
		prev = found.last
	}
	last := l.open[len(l.open)-1]
	// What the scan found may never have been synced (a killed process leaves it in the page cache) and is served from now on.
	if err := last.file.Sync(); err != nil {
		return fault.SegmentDeviceFailed.New("sync %s: %w", last.name, err)
	}
	l.writer = newWriter(l)
	l.writer.open(last, last.end.Load())
	l.writer.number, l.writer.previous = prev.number, prev.sum
	return nil
}

// openSegments opens every segment file, oldest first.
func (l *Log) openSegments() error {
	names, err := l.fs.List(l.dir)
	if err != nil {
		return fault.SegmentUnusable.New("%w", err)
	}
	for _, name := range names {
		generation, ok := generationOf(name)
		if !ok {
			continue
		}
		s, err := l.openSegment(filepath.Join(l.dir, name), generation)
		if err != nil {
			return err
		}
		if s != nil {
			l.open = append(l.open, s)
		}
	}
	return nil
}

// openSegment opens a segment file; nil without an error when the file holds no segment of that generation.
func (l *Log) openSegment(name string, generation uint64) (*segment, error) {
	f, err := l.fs.Open(name)
	if err != nil {
		return nil, fault.SegmentUnusable.New("%w", err)
	}
	b := make([]byte, headerSize)
	if _, err := f.ReadAt(b, 0); err != nil && err != io.EOF {
		f.Close()
		return nil, fault.SegmentUnusable.New("%w", err)
	}
	h, err := decodeHeader(b)
	var version versionError
	if errors.As(err, &version) {
		f.Close()
		return nil, fault.SegmentUnknownFormat.New("%s: %w", name, err)
	}
	if err != nil || h.generation != generation {
		return nil, f.Close()
	}
	if l.id == (logID{}) {
		l.id = h.id
	} else if l.id != h.id {
		f.Close()
		return nil, fault.SegmentForeignFile.New("%s", name)
	}
	size, err := f.Size()
	if err != nil {
		f.Close()
		return nil, fault.SegmentUnusable.New("%w", err)
	}
	return &segment{header: h, seed: newSeed(h.id, generation), name: name, file: f, disk: size, index: newIndex()}, nil
}

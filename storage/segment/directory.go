package segment

import (
	"cmp"
	"errors"
	"io"
	"path/filepath"
	"slices"

	"github.com/strobemq/strobe/internal/fault"
)

// files opens every segment file of the directory.
func (r *recovery) files() error {
	l := r.log
	names, err := l.fs.List(l.dir)
	if err != nil {
		return err
	}
	var unclear []*segment
	for _, name := range names {
		generation, ok := generationOf(name)
		if !ok {
			if filepath.Ext(name) == ".tmp" {
				_ = l.fs.Remove(filepath.Join(l.dir, name))
			}
			continue
		}
		s, err := r.file(filepath.Join(l.dir, name), generation)
		if err != nil {
			return err
		}
		if s != nil {
			unclear = append(unclear, s)
		}
	}
	for _, s := range unclear {
		if err := r.unclear(s); err != nil {
			return err
		}
	}
	slices.SortFunc(r.found, func(a, b *found) int { return cmp.Compare(a.seg.generation, b.seg.generation) })
	return nil
}

// file opens one segment file and puts it into found or spare; one whose header does not verify is returned.
func (r *recovery) file(name string, generation uint64) (*segment, error) {
	l := r.log
	f, err := l.fs.Open(name)
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	if err != nil {
		f.Close()
		return nil, err
	}
	b := make([]byte, sealAt+sealSize)
	if n, err := f.ReadAt(b, 0); err != nil && err != io.EOF {
		f.Close()
		return nil, err
	} else {
		b = b[:n]
	}
	h, err := readHeader(b)
	var version versionError
	if errors.As(err, &version) {
		f.Close()
		return nil, fault.SegmentUnknownFormat.New("%s: %w", name, err)
	}
	if err != nil {
		s := newSegment(header{generation: generation}, l.dir, f, size)
		return s, nil
	}
	if l.id == (logID{}) {
		l.id = h.id
	}
	if l.id != h.id {
		f.Close()
		return nil, fault.SegmentForeignFile.New("%s", name)
	}
	s := newSegment(h, l.dir, f, size)
	s.name = name
	if h.generation != generation {
		// Renamed to be used again when the power went; dead either way.
		s.generation = min(h.generation, generation)
		l.generation = max(l.generation, generation, h.generation)
		r.spare = append(r.spare, s)
		return nil, nil
	}
	r.found = append(r.found, &found{seg: s, seal: r.sealOf(s, b)})
	return nil, nil
}

// sealOf returns the seal of a segment, nil if it has none or its footer lies in a damaged range.
func (r *recovery) sealOf(s *segment, b []byte) *seal {
	if len(b) < sealAt+sealSize {
		return nil
	}
	sl, err := decodeSeal(b[sealAt:], s.seed)
	if err != nil || sl.generation != s.generation {
		return nil
	}
	for _, d := range r.log.state.damage {
		if d.generation == s.generation && d.from >= sl.footerAt {
			return nil
		}
	}
	return &sl
}

// unclear decides about a file whose header does not verify: a file that was being made when the power went has no groups, anything else is damage.
func (r *recovery) unclear(s *segment) error {
	l := r.log
	if s.disk <= groupsAt {
		// Nothing was ever written behind the header, so that the generation is still unused.
		s.file.Close()
		return l.fs.Remove(s.name)
	}
	l.generation = max(l.generation, s.generation)
	s.id = l.id
	s.seed = newSeed(l.id, s.generation)
	sc := &scanner{log: l, seg: &active{segment: s}, win: window{file: s.file, size: s.disk}}
	g, err := sc.findGroup(groupsAt, s.disk)
	if err != nil {
		return err
	}
	switch {
	case g != nil:
		s.torn = true
		r.found = append(r.found, &found{seg: s})
	case l.id == (logID{}):
		r.lose(s.generation, "the header of %s is damaged", segmentName(s.generation))
		s.file.Close()
	default:
		r.spare = append(r.spare, s)
	}
	return nil
}

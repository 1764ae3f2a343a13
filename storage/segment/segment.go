package segment

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/strobemq/strobe/storage/vfs"
)

// segment is one file of the log.
type segment struct {
	header
	seed seed
	name string
	file vfs.File
	disk int64 // bytes of the file when this lap began: writing them takes no more disk

	end   atomic.Int64 // how far its groups are durable
	index *index       // nil once the footer serves instead
}

func segmentName(generation uint64) string { return fmt.Sprintf("%016x.seg", generation) }

// generationOf is the generation in a segment's file name.
func generationOf(name string) (uint64, bool) {
	hex, ok := strings.CutSuffix(name, ".seg")
	if !ok || len(hex) != 16 {
		return 0, false
	}
	g, err := strconv.ParseUint(hex, 16, 64)
	return g, err == nil && g > 0
}

// createSegment makes the file of the next generation and its header durable; the caller syncs the directory.
func createSegment(fs vfs.FS, dir string, id logID, generation uint64) (*segment, error) {
	s := &segment{header: header{generation: generation, id: id}, seed: newSeed(id, generation), index: newIndex()}
	s.name = filepath.Join(dir, segmentName(generation))
	f, err := fs.Create(s.name)
	if err != nil {
		return nil, err
	}
	s.file = f
	if err := s.writeHeader(); err != nil {
		f.Close()
		return nil, err
	}
	return s, nil
}

// writeHeader begins the generation: the page of header and seal is overwritten whole.
func (s *segment) writeHeader() error {
	page := make([]byte, groupsAt)
	copy(page, s.header.encode())
	if _, err := s.file.WriteAt(page, 0); err != nil {
		return err
	}
	if err := s.file.Sync(); err != nil {
		return err
	}
	s.end.Store(groupsAt)
	return nil
}

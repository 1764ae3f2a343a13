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
	disk int64 // bytes of the file when this lap began, and those written ahead: writing them takes no more disk. Preparing guards that of the next one, none changes later

	end  atomic.Int64 // how far its groups are durable
	refs atomic.Int32 // the registry's one and those of readers; at 0 the file may be recycled

	// Of a sealed segment, the keeper's: bytes of records that somebody may still ask for, and of all.
	live    int64
	total   int64
	stuck   bool // holds damage, so that its survivors cannot be copied
	torn    bool // the header does not verify
	entered bool // the table has had its rows before; its footer was damaged and is written again
}

// active is a segment without a footer: the one that is appended to, and those that wait to be sealed.
type active struct {
	*segment
	index *index
	last  link // its last group, once final
	// After a start: from where on nothing proves that the bytes are durable. Every group is synced before the next is written.
	unsure int64
	final  atomic.Bool // nothing will be added, and all of it is in the index
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

func newSegment(h header, dir string, f vfs.File, disk int64) *segment {
	s := &segment{header: h, seed: newSeed(h.id, h.generation), name: filepath.Join(dir, segmentName(h.generation)), file: f, disk: disk}
	s.refs.Store(1)
	s.end.Store(groupsAt)
	return s
}

// written is how much of the file was written once.
func (s *segment) written() int64 { return max(s.disk, s.end.Load()) }

// writeHeader begins the generation: the page of header and seal is overwritten whole.
func (s *segment) writeHeader() error {
	if _, err := s.file.WriteAt(append(s.headers(), make([]byte, groupsAt-sealAt)...), 0); err != nil {
		return err
	}
	return s.file.Sync()
}

// headers is the header and its copy: the first page up to the seal.
func (s *segment) headers() []byte {
	b := make([]byte, sealAt, groupsAt)
	copy(b, s.header.encode())
	copy(b[headerCopyAt:], s.header.encode())
	return b
}

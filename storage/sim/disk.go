package sim

import (
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/strobemq/strobe/storage/vfs"
)

// disk is a file system in memory whose syncs take time. It is a node's until its power goes; then a clone with what was durable is.
type disk struct {
	*vfs.Mem
	dice *dice
	sync *atomic.Int64 // the longest a sync takes, in nanoseconds; the node's, over all its disks
}

func (d *disk) Create(name string) (vfs.File, error) {
	f, err := d.Mem.Create(name)
	return d.wrap(name, f), err
}

func (d *disk) Open(name string) (vfs.File, error) {
	f, err := d.Mem.Open(name)
	return d.wrap(name, f), err
}

// wrap makes the syncs of the log's own files slow. The table's are not: Pebble waits for some of its own with its lock held, and a
// goroutine that waits for a lock holds up fake time.
func (d *disk) wrap(name string, f vfs.File) vfs.File {
	if f == nil || filepath.Base(filepath.Dir(name)) != "log" {
		return f
	}
	return &file{File: f, d: d}
}

// file is a file of the log.
type file struct {
	vfs.File
	d    *disk
	head atomic.Bool // the start of the file was written since the last sync
}

// WriteAt implements io.WriterAt.
func (f *file) WriteAt(b []byte, off int64) (int, error) {
	if off == 0 {
		f.head.Store(true)
	}
	return f.File.WriteAt(b, off)
}

// Sync takes its time, and what was written before is durable at its end. That of a header is quick, for the same reason as the table's:
// the next segment is prepared with a lock held.
func (f *file) Sync() error {
	if !f.head.Swap(false) {
		time.Sleep(f.d.dice.upTo(time.Duration(f.d.sync.Load())))
	}
	return f.File.Sync()
}

// Allocate implements vfs.Allocator.
func (f *file) Allocate(size int64) error {
	if a, ok := f.File.(vfs.Allocator); ok {
		return a.Allocate(size)
	}
	return nil
}

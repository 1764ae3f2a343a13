package pebblefs

import (
	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"

	"github.com/strobemq/strobe/storage/vfs"
)

// file adds to a vfs.File the position that sequential reads and writes move.
type file struct {
	fs   vfs.FS
	f    vfs.File
	name string
	pos  int64
}

func (f *file) Read(b []byte) (int, error) {
	n, err := f.f.ReadAt(b, f.pos)
	f.pos += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

func (f *file) Write(b []byte) (int, error) {
	n, err := f.f.WriteAt(b, f.pos)
	f.pos += int64(n)
	return n, err
}

func (f *file) ReadAt(b []byte, off int64) (int, error)  { return f.f.ReadAt(b, off) }
func (f *file) WriteAt(b []byte, off int64) (int, error) { return f.f.WriteAt(b, off) }
func (f *file) Close() error                             { return f.f.Close() }
func (f *file) Sync() error                              { return f.f.Sync() }
func (f *file) SyncData() error                          { return f.f.Sync() }
func (f *file) SyncTo(int64) (bool, error)               { return true, f.f.Sync() }
func (f *file) Preallocate(int64, int64) error           { return nil }
func (f *file) Prefetch(int64, int64) error              { return nil }
func (f *file) Fd() uintptr                              { return pebblevfs.InvalidFd }

func (f *file) Stat() (pebblevfs.FileInfo, error) {
	i, err := f.fs.Stat(f.name)
	if err != nil {
		return nil, err
	}
	return info{i}, nil
}

// dir is a directory opened to be synced.
type dir struct {
	file
	fs   vfs.FS
	name string
}

func (d *dir) Sync() error                { return d.fs.SyncDir(d.name) }
func (d *dir) SyncData() error            { return d.fs.SyncDir(d.name) }
func (d *dir) SyncTo(int64) (bool, error) { return false, nil }
func (d *dir) Close() error               { return nil }
func (d *dir) Stat() (pebblevfs.FileInfo, error) {
	i, err := d.fs.Stat(d.name)
	if err != nil {
		return nil, err
	}
	return info{i}, nil
}

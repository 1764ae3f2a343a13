// Package pebblefs lets Pebble keep its files in a vfs.FS, so that one power cut, one full disk and one set of faults hit the
// log and the tables beside it alike.
package pebblefs

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"

	"github.com/strobemq/strobe/storage/vfs"
)

// New returns fs as Pebble wants it. Hard links, which Pebble makes for checkpoints and ingestion only, are refused.
func New(fs vfs.FS) pebblevfs.FS { return adapter{fs} }

var errNoLinks = errors.New("pebblefs: no hard links")

type adapter struct{ fs vfs.FS }

func (a adapter) Create(name string, _ pebblevfs.DiskWriteCategory) (pebblevfs.File, error) {
	return a.opened(a.fs.Create(name))(name)
}

func (a adapter) Open(name string, opts ...pebblevfs.OpenOption) (pebblevfs.File, error) {
	f, err := a.opened(a.fs.Open(name))(name)
	if err != nil {
		return nil, err
	}
	for _, o := range opts {
		o.Apply(f)
	}
	return f, nil
}

func (a adapter) OpenReadWrite(name string, category pebblevfs.DiskWriteCategory, _ ...pebblevfs.OpenOption) (pebblevfs.File, error) {
	f, err := a.fs.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return a.Create(name, category)
	}
	return a.opened(f, err)(name)
}

func (a adapter) opened(f vfs.File, err error) func(name string) (pebblevfs.File, error) {
	return func(name string) (pebblevfs.File, error) {
		if err != nil {
			return nil, err
		}
		return &file{fs: a.fs, f: f, name: name}, nil
	}
}

func (a adapter) OpenDir(name string) (pebblevfs.File, error) {
	return &dir{fs: a.fs, name: name}, nil
}

func (a adapter) Link(string, string) error { return errNoLinks }

func (a adapter) Remove(name string) error { return a.fs.Remove(name) }

func (a adapter) RemoveAll(name string) error {
	names, err := a.fs.List(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return a.fs.Remove(name)
	}
	for _, n := range names {
		if err := a.RemoveAll(filepath.Join(name, n)); err != nil {
			return err
		}
	}
	if err := a.fs.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (a adapter) Rename(from, to string) error { return a.fs.Rename(from, to) }

func (a adapter) ReuseForWrite(from, to string, _ pebblevfs.DiskWriteCategory) (pebblevfs.File, error) {
	if err := a.fs.Rename(from, to); err != nil {
		return nil, err
	}
	return a.opened(a.fs.Open(to))(to)
}

func (a adapter) MkdirAll(dir string, _ os.FileMode) error { return a.fs.MkdirAll(dir) }

func (a adapter) Lock(name string) (io.Closer, error) { return a.fs.Lock(name) }

func (a adapter) List(dir string) ([]string, error) { return a.fs.List(dir) }

func (a adapter) Stat(name string) (pebblevfs.FileInfo, error) {
	i, err := a.fs.Stat(name)
	if err != nil {
		return nil, err
	}
	return info{i}, nil
}

func (a adapter) PathBase(path string) string { return filepath.Base(path) }

func (a adapter) PathJoin(elem ...string) string { return filepath.Join(elem...) }

func (a adapter) PathDir(path string) string { return filepath.Dir(path) }

func (a adapter) GetDiskUsage(path string) (pebblevfs.DiskUsage, error) {
	free, err := a.fs.Free(path)
	if err != nil {
		return pebblevfs.DiskUsage{}, err
	}
	return pebblevfs.DiskUsage{AvailBytes: uint64(free), TotalBytes: uint64(free)}, nil
}

func (a adapter) Unwrap() pebblevfs.FS { return nil }

type info struct{ os.FileInfo }

func (info) DeviceID() pebblevfs.DeviceID { return pebblevfs.DeviceID{} }

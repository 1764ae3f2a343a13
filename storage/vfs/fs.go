// Package vfs is the file system as storage sees it: few operations, each with its durability said. There are two
// implementations: the operating system's (OS) and one in memory (Mem) that can be cloned as a power cut would leave it and
// told to fail.
//
// Names are paths of the host's form (path/filepath). What a call promises after a power cut: file contents up to the last
// Sync of that file; names (created, renamed, removed) up to the last SyncDir of their directory.
package vfs

import (
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
)

// FS is a tree of files.
type FS interface {
	// Create makes an empty file for reading and writing, or empties the one that is there.
	Create(name string) (File, error)
	// Open opens an existing file for reading and writing.
	Open(name string) (File, error)
	// Rename moves a file within its directory and replaces what had the new name. Open handles stay with the file.
	Rename(from, to string) error
	// Remove deletes a file or an empty directory. Open handles stay usable.
	Remove(name string) error
	// MkdirAll makes a directory and those above it.
	MkdirAll(dir string) error
	// List returns the names in a directory, sorted, without the directory itself.
	List(dir string) ([]string, error)
	// Stat describes a file or directory.
	Stat(name string) (fs.FileInfo, error)
	// SyncDir makes the names in a directory durable.
	SyncDir(dir string) error
	// Free is how many bytes the user of this process can still write on the device of dir.
	Free(dir string) (int64, error)
	// Lock takes the lock that the file stands for and writes the process id into it; a *LockedError says who has it.
	// The lock ends with Close or with the process.
	Lock(name string) (io.Closer, error)
}

// File is an open file. ReadAt and WriteAt may be called concurrently.
type File interface {
	io.ReaderAt
	io.WriterAt
	// Sync makes the contents and the size durable. After an error nothing is known about what was written since the last
	// Sync that succeeded, and a later success proves nothing about it.
	Sync() error
	Size() (int64, error)
	Close() error
}

// Allocator is a File that can take disk space without writing it.
type Allocator interface {
	// Allocate makes the file at least size bytes long, with space on the device behind each of them.
	Allocate(size int64) error
}

// Starter is a File that can begin to write back what was written, so that a later Sync has less to do.
type Starter interface {
	// StartSync begins it for size bytes from there on. Nothing is durable by that, and errors are Sync's to tell.
	StartSync(from, size int64)
}

// LockedError says that somebody else has the lock.
type LockedError struct {
	Name string
	PID  int // 0: not known
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return e.Name + " is locked by another process"
	}
	return fmt.Sprintf("%s is locked by process %d", e.Name, e.PID)
}

// maxSmallFile caps what ReadFile takes.
const maxSmallFile = 1 << 20

// ReadFile returns the whole of a small file (up to 1 MiB).
func ReadFile(f FS, name string) ([]byte, error) {
	file, err := f.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return nil, err
	}
	if size > maxSmallFile {
		return nil, fmt.Errorf("%s: %d bytes are too many", name, size)
	}
	b := make([]byte, size)
	if _, err := file.ReadAt(b, 0); err != nil && err != io.EOF {
		return nil, err
	}
	return b, nil
}

// ReplaceFile writes a small file so that after a power cut either the old or the new content is there, whole. When it
// returns nil the new content is durable.
func ReplaceFile(f FS, name string, content []byte) error {
	tmp := name + ".tmp"
	file, err := f.Create(tmp)
	if err != nil {
		return err
	}
	if _, err = file.WriteAt(content, 0); err == nil {
		err = file.Sync()
	}
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = f.Rename(tmp, name)
	}
	if err != nil {
		_ = f.Remove(tmp)
		return err
	}
	return f.SyncDir(filepath.Dir(name))
}

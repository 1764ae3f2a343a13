package vfs

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"syscall"
	"time"
)

// Mem is a file system in memory that remembers, beside what is, what a power cut would leave: contents up to each file's
// last Sync, names up to each directory's last SyncDir. Directories themselves are durable at once.
type Mem struct {
	mu       sync.Mutex
	names    map[string]*inode
	dirs     map[string]bool
	locks    map[string]bool
	durable  map[string]*inode
	pending  []nameChange // changes of names that no SyncDir has covered, oldest first
	used     int64        // bytes of all contents that have a name
	capacity int64        // 0: no limit

	faults faults
}

// nameChange is one unsynced change of a directory: to now stands for node (nil: nothing), and from for nothing.
type nameChange struct {
	dir      string
	from, to string
	node     *inode
}

// NewMem returns an empty file system without a limit.
func NewMem() *Mem {
	return &Mem{names: map[string]*inode{}, dirs: map[string]bool{}, locks: map[string]bool{}, durable: map[string]*inode{}}
}

// SetCapacity limits the bytes of all files together; a write beyond answers ENOSPC. 0 lifts the limit.
func (m *Mem) SetCapacity(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.capacity = bytes
}

// Used is how many bytes all files hold.
func (m *Mem) Used() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.used
}

func pathError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: name, Err: err}
}

func (m *Mem) Create(name string) (File, error) {
	name = filepath.Clean(name)
	if f := m.faults.check(OpCreate, name); f != nil && f.Err != nil {
		return nil, pathError("create", name, f.Err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.names[name]
	if n == nil {
		n = &inode{}
		m.setLocked(nameChange{to: name, node: n})
	}
	m.used -= int64(len(n.cur))
	n.truncate()
	return &memFile{fs: m, n: n, name: name}, nil
}

// setLocked applies a change of names and notes it as not yet durable.
func (m *Mem) setLocked(c nameChange) {
	c.dir = filepath.Dir(c.to)
	for d := c.dir; !m.dirs[d]; d = filepath.Dir(d) {
		m.dirs[d] = true
	}
	m.pending = append(m.pending, c)
	apply(m.names, c)
}

func apply(names map[string]*inode, c nameChange) {
	if c.from != "" {
		delete(names, c.from)
	}
	if c.node == nil {
		delete(names, c.to)
		return
	}
	names[c.to] = c.node
}

func (m *Mem) Open(name string) (File, error) {
	name = filepath.Clean(name)
	if f := m.faults.check(OpOpen, name); f != nil && f.Err != nil {
		return nil, pathError("open", name, f.Err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.names[name]
	if n == nil {
		return nil, pathError("open", name, fs.ErrNotExist)
	}
	return &memFile{fs: m, n: n, name: name}, nil
}

func (m *Mem) Rename(from, to string) error {
	from, to = filepath.Clean(from), filepath.Clean(to)
	if f := m.faults.check(OpRename, from); f != nil && f.Err != nil {
		return pathError("rename", from, f.Err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.names[from]
	if n == nil {
		return pathError("rename", from, fs.ErrNotExist)
	}
	if old := m.names[to]; old != nil && old != n {
		m.used -= int64(len(old.cur))
	}
	m.setLocked(nameChange{from: from, to: to, node: n})
	return nil
}

func (m *Mem) Remove(name string) error {
	name = filepath.Clean(name)
	if f := m.faults.check(OpRemove, name); f != nil && f.Err != nil {
		return pathError("remove", name, f.Err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dirs[name] {
		for other := range m.names {
			if filepath.Dir(other) == name {
				return pathError("remove", name, syscall.ENOTEMPTY)
			}
		}
		delete(m.dirs, name)
		return nil
	}
	n := m.names[name]
	if n == nil {
		return pathError("remove", name, fs.ErrNotExist)
	}
	m.used -= int64(len(n.cur))
	m.setLocked(nameChange{to: name})
	return nil
}

func (m *Mem) MkdirAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for d := filepath.Clean(dir); !m.dirs[d]; d = filepath.Dir(d) {
		m.dirs[d] = true
	}
	return nil
}

func (m *Mem) List(dir string) ([]string, error) {
	dir = filepath.Clean(dir)
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.dirs[dir] {
		return nil, pathError("list", dir, fs.ErrNotExist)
	}
	var names []string
	for name := range m.names {
		if filepath.Dir(name) == dir {
			names = append(names, filepath.Base(name))
		}
	}
	for name := range m.dirs {
		if name != dir && filepath.Dir(name) == dir {
			names = append(names, filepath.Base(name))
		}
	}
	sort.Strings(names)
	return names, nil
}

func (m *Mem) Stat(name string) (fs.FileInfo, error) {
	name = filepath.Clean(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dirs[name] {
		return memInfo{name: filepath.Base(name), dir: true}, nil
	}
	n := m.names[name]
	if n == nil {
		return nil, pathError("stat", name, fs.ErrNotExist)
	}
	return memInfo{name: filepath.Base(name), size: int64(len(n.cur))}, nil
}

func (m *Mem) SyncDir(dir string) error {
	dir = filepath.Clean(dir)
	if f := m.faults.check(OpSyncDir, dir); f != nil && f.Err != nil {
		return pathError("syncdir", dir, f.Err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := m.pending[:0]
	for _, c := range m.pending {
		if c.dir == dir {
			apply(m.durable, c)
		} else {
			kept = append(kept, c)
		}
	}
	clear(m.pending[len(kept):])
	m.pending = kept
	return nil
}

func (m *Mem) Free(string) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.capacity == 0 {
		return 1 << 50, nil
	}
	return max(0, m.capacity-m.used), nil
}

func (m *Mem) Lock(name string) (io.Closer, error) {
	name = filepath.Clean(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locks[name] {
		return nil, &LockedError{Name: name, PID: os.Getpid()}
	}
	m.locks[name] = true
	return &memLock{fs: m, name: name}, nil
}

type memLock struct {
	fs   *Mem
	name string
}

func (l *memLock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	delete(l.fs.locks, l.name)
	return nil
}

type memInfo struct {
	name string
	size int64
	dir  bool
}

func (i memInfo) Name() string       { return i.name }
func (i memInfo) Size() int64        { return i.size }
func (i memInfo) ModTime() time.Time { return time.Time{} }
func (i memInfo) IsDir() bool        { return i.dir }
func (i memInfo) Sys() any           { return nil }
func (i memInfo) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}

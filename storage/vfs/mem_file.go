package vfs

import (
	"io"
	"syscall"
)

// memPage is the unit in which unsynced bytes of a Mem reach the disk or do not: the page of the kernel's cache.
const memPage = 4096

// inode is one file: its content, and what of it is durable.
type inode struct {
	cur   []byte
	dur   []byte
	dirty map[int64]bool // pages of cur that dur may lack; false: dropped by a failed sync, a later one does not write it
	last  span           // the last write since the last sync
}

type span struct{ from, to int64 }

func (n *inode) truncate() {
	n.cur = nil
	n.dirty = map[int64]bool{}
	n.last = span{}
}

func (n *inode) write(b []byte, off int64) {
	end := off + int64(len(b))
	if end > int64(len(n.cur)) {
		n.grow(end)
	}
	copy(n.cur[off:], b)
	for p := off / memPage; p*memPage < end; p++ {
		n.dirty[p] = true
	}
	n.last = span{off, end}
}

func (n *inode) grow(size int64) {
	if size > int64(cap(n.cur)) {
		c := make([]byte, len(n.cur), max(size, 2*int64(cap(n.cur)), memPage))
		copy(c, n.cur)
		n.cur = c
	}
	n.cur = n.cur[:size]
}

func (n *inode) sync() {
	n.dur = resize(n.dur, int64(len(n.cur)))
	for p, live := range n.dirty {
		if live {
			copyPage(n.dur, n.cur, p, memPage)
			delete(n.dirty, p)
		}
	}
	n.last = span{}
}

// failSync does what a kernel does when the device refuses: the pages count as clean although they were never written.
func (n *inode) failSync() {
	for p := range n.dirty {
		n.dirty[p] = false
	}
	n.last = span{}
}

func resize(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		return b[:size:size]
	}
	return append(b, make([]byte, size-int64(len(b)))...)
}

// copyPage copies the first n bytes of page p as far as both have them.
func copyPage(dst, src []byte, p, n int64) {
	from := p * memPage
	to := min(from+n, int64(len(dst)), int64(len(src)))
	if from < to {
		copy(dst[from:to], src[from:to])
	}
}

// memFile is a handle.
type memFile struct {
	fs   *Mem
	n    *inode
	name string
}

func (f *memFile) ReadAt(b []byte, off int64) (int, error) {
	fault := f.fs.faults.check(OpRead, f.name)
	if fault != nil && fault.Err != nil {
		return 0, pathError("read", f.name, fault.Err)
	}
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if off >= int64(len(f.n.cur)) {
		return 0, io.EOF
	}
	if fault != nil && fault.Short {
		b = b[:len(b)/2]
		return copy(b, f.n.cur[off:]), io.ErrUnexpectedEOF
	}
	n := copy(b, f.n.cur[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(b []byte, off int64) (int, error) {
	fault := f.fs.faults.check(OpWrite, f.name)
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if fault != nil && fault.Err != nil {
		if fault.Short {
			f.n.write(b[:len(b)/2], off)
			return len(b) / 2, pathError("write", f.name, fault.Err)
		}
		return 0, pathError("write", f.name, fault.Err)
	}
	if more := off + int64(len(b)) - int64(len(f.n.cur)); more > 0 {
		if c := f.fs.capacity; c > 0 && f.fs.used+more > c {
			// As a kernel does: what fits is written.
			fits := max(0, int64(len(b))-(f.fs.used+more-c))
			f.writeLocked(b[:fits], off)
			return int(fits), pathError("write", f.name, syscall.ENOSPC)
		}
	}
	f.writeLocked(b, off)
	return len(b), nil
}

func (f *memFile) writeLocked(b []byte, off int64) {
	if len(b) == 0 {
		return
	}
	before := int64(len(f.n.cur))
	f.n.write(b, off)
	f.fs.used += int64(len(f.n.cur)) - before
}

func (f *memFile) Sync() error {
	fault := f.fs.faults.check(OpSync, f.name)
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if fault != nil && fault.Err != nil {
		f.n.failSync()
		return pathError("sync", f.name, fault.Err)
	}
	f.n.sync()
	return nil
}

func (f *memFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.n.cur)), nil
}

func (f *memFile) Allocate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	more := size - int64(len(f.n.cur))
	if more <= 0 {
		return nil
	}
	if c := f.fs.capacity; c > 0 && f.fs.used+more > c {
		return pathError("allocate", f.name, syscall.ENOSPC)
	}
	f.n.grow(size)
	f.fs.used += more
	return nil
}

func (f *memFile) Close() error { return nil }

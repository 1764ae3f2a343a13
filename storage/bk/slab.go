package bk

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"syscall"
)

// Buf is bytes inside a refcounted slab. The zero Buf is empty and needs no Release. Bytes without a slab (see Bytes) live
// on the heap, and Retain and Release do nothing to them.
type Buf struct {
	B    []byte
	slab *Slab
}

// Bytes wraps heap memory as a Buf. The caller must not change b any more.
func Bytes(b []byte) Buf { return Buf{B: b} }

// Retain adds a reference and returns the same bytes; each Retain needs a Release.
func (b Buf) Retain() Buf {
	if b.slab != nil {
		b.slab.refs.Add(1)
	}
	return b
}

// Release gives one reference back. The bytes must not be used after the last.
func (b Buf) Release() {
	if b.slab != nil {
		b.slab.Release()
	}
}

// Slice is the part of b from i to j. It shares b's reference: retain it to hold it longer than b.
func (b Buf) Slice(i, j int) Buf { return Buf{B: b.B[i:j:j], slab: b.slab} }

const (
	minSlab     = 4 << 10
	maxSlab     = 1 << 20
	slabClasses = 9 // 4 KiB … 1 MiB by powers of two
	mmapFrom    = 64 << 10
	// freeLimit is how much released memory is kept for the next reader, in each size class.
	freeLimit = 16 << 20
)

// Slab is a piece of memory for payloads. Slabs of 64 KiB and more lie outside the garbage collector's heap. It is born
// with one reference, that of whoever called NewSlab.
type Slab struct {
	buf   []byte
	refs  atomic.Int32
	class int8 // -1: larger than any class
}

var slabs struct {
	free [slabClasses]struct {
		sync.Mutex
		list []*Slab
	}
	inUse  atomic.Int64
	poison atomic.Bool
}

// NewSlab returns a slab of at least size bytes; its content is undefined.
func NewSlab(size int) *Slab {
	class, n := slabClass(size)
	slabs.inUse.Add(int64(n))
	if class >= 0 {
		f := &slabs.free[class]
		f.Lock()
		if last := len(f.list) - 1; last >= 0 {
			s := f.list[last]
			f.list[last] = nil
			f.list = f.list[:last]
			f.Unlock()
			s.refs.Store(1)
			return s
		}
		f.Unlock()
	}
	s := &Slab{buf: slabMemory(n), class: int8(class)}
	s.refs.Store(1)
	return s
}

func slabClass(size int) (class, n int) {
	if size > maxSlab {
		return -1, (size + 0xfff) &^ 0xfff
	}
	if size <= minSlab {
		return 0, minSlab
	}
	class = bits.Len(uint(size-1)) - 12
	return class, minSlab << class
}

func slabMemory(n int) []byte {
	if n >= mmapFrom {
		if m, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE); err == nil {
			return m
		}
	}
	return make([]byte, n)
}

// Bytes is the whole slab; whoever fills it must be the only one who holds the part being filled.
func (s *Slab) Bytes() []byte { return s.buf }

// Buf is bytes i to j of the slab with a reference of its own.
func (s *Slab) Buf(i, j int) Buf {
	s.refs.Add(1)
	return Buf{B: s.buf[i:j:j], slab: s}
}

// Alone reports whether the caller's reference is the only one, so that the slab may be filled again from the start.
func (s *Slab) Alone() bool { return s.refs.Load() == 1 }

// Release gives one reference back; the last one returns the memory to the pool.
func (s *Slab) Release() {
	switch n := s.refs.Add(-1); {
	case n > 0:
		return
	case n < 0:
		panic("bk: slab released once too often")
	}
	slabs.inUse.Add(-int64(len(s.buf)))
	if slabs.poison.Load() {
		for i := range s.buf {
			s.buf[i] = 0xDB
		}
	}
	if s.class >= 0 {
		f := &slabs.free[s.class]
		f.Lock()
		if (len(f.list)+1)*len(s.buf) <= freeLimit {
			f.list = append(f.list, s)
			f.Unlock()
			return
		}
		f.Unlock()
	}
	if len(s.buf) >= mmapFrom {
		_ = syscall.Munmap(s.buf) // fails for heap memory (the fallback of slabMemory), which the collector frees
	}
	s.buf = nil
}

// SlabBytesInUse is how many bytes of slabs are held by somebody now.
func SlabBytesInUse() int64 { return slabs.inUse.Load() }

// TrimSlabs gives the memory of free slabs back to the operating system; for a process that has become idle.
func TrimSlabs() {
	for i := range slabs.free {
		f := &slabs.free[i]
		f.Lock()
		list := f.list
		f.list = nil
		f.Unlock()
		for _, s := range list {
			if len(s.buf) >= mmapFrom {
				_ = syscall.Munmap(s.buf)
			}
		}
	}
}

// PoisonSlabs makes every released slab be overwritten, so that a test sees a use after release.
func PoisonSlabs(on bool) { slabs.poison.Store(on) }

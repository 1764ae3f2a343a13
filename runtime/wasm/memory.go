//go:build unix

package wasm

import (
	"syscall"

	"github.com/tetratelabs/wazero/experimental"
)

// page is the unit in which guests ask for memory.
const page = 64 << 10

// allocator gives guests their memory. Address space for the whole cap is reserved at once, outside the garbage collector's heap, so that growing copies
// nothing and untouched pages cost nothing; the cap is enforced here, so that we know when a guest was refused.
type allocator struct {
	limit uint64 // bytes
	mem   *memory
}

// Allocate implements experimental.MemoryAllocator; it is called once for each guest.
func (a *allocator) Allocate(_, most uint64) experimental.LinearMemory {
	size := min(most, a.limit)
	m := &memory{limit: size}
	if size != 0 {
		space, err := syscall.Mmap(-1, 0, int(size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_NORESERVE)
		if err != nil {
			// Address space is short: an ordinary slice does the same, only in the garbage collector's sight.
			space = make([]byte, size)
			m.heap = true
		}
		m.space = space
	}
	a.mem = m
	return m
}

// memory is one guest's linear memory.
type memory struct {
	space   []byte
	limit   uint64
	heap    bool
	refused bool // the guest asked for more than the cap
}

// Reallocate implements experimental.LinearMemory.
func (m *memory) Reallocate(size uint64) []byte {
	if size > m.limit {
		m.refused = true
		return nil
	}
	return m.space[:size:size]
}

// Free implements experimental.LinearMemory. Idempotent: the runtime calls it on some ways out and not on others, so the owner calls it again.
func (m *memory) Free() {
	if m.space != nil && !m.heap {
		_ = syscall.Munmap(m.space)
	}
	m.space = nil
}

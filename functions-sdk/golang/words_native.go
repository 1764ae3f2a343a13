//go:build !wasip1

package strobe

import (
	"encoding/binary"
	"unsafe"
)

func word(b *byte, at uintptr, n int) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(b), at)), n)
}

func get32(b *byte, at uintptr) uint32 { return binary.LittleEndian.Uint32(word(b, at, 4)) }

func get64(b *byte, at uintptr) uint64 { return binary.LittleEndian.Uint64(word(b, at, 8)) }

func put32(b *byte, at uintptr, v uint32) { binary.LittleEndian.PutUint32(word(b, at, 4), v) }

func put64(b *byte, at uintptr, v uint64) { binary.LittleEndian.PutUint64(word(b, at, 8), v) }

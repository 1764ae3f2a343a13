//go:build wasip1

package strobe

import "unsafe"

// The compiler makes four loads of an encoding/binary load here, although WASM reads unaligned little-endian words by itself. b must be long enough.

func get32(b *byte, at uintptr) uint32 { return *(*uint32)(unsafe.Add(unsafe.Pointer(b), at)) }

func get64(b *byte, at uintptr) uint64 { return *(*uint64)(unsafe.Add(unsafe.Pointer(b), at)) }

func put32(b *byte, at uintptr, v uint32) { *(*uint32)(unsafe.Add(unsafe.Pointer(b), at)) = v }

func put64(b *byte, at uintptr, v uint64) { *(*uint64)(unsafe.Add(unsafe.Pointer(b), at)) = v }

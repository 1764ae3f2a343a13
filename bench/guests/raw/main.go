//go:build wasip1

// Command raw is the guest of the probe F6: it copies a batch of records (length, little endian, and bytes) to its output, one by
// one, and that is all.
package main

import (
	"encoding/binary"
	"unsafe"
)

var in, out [1 << 20]byte

//go:wasmexport input
func input() uint32 { return uint32(uintptr(unsafe.Pointer(&in))) }

// batch copies the records in the first n bytes of the input and returns where the output lies (high half) and its length.
//
//go:wasmexport batch
func batch(n uint32) uint64 {
	at := 0
	for rest := in[:n]; len(rest) >= 4; {
		size := int(binary.LittleEndian.Uint32(rest))
		binary.LittleEndian.PutUint32(out[at:], uint32(size))
		copy(out[at+4:], rest[4:4+size])
		at += 4 + size
		rest = rest[4+size:]
	}
	return uint64(uintptr(unsafe.Pointer(&out)))<<32 | uint64(at)
}

func main() {}

//go:build wasip1

package strobe

import "unsafe"

//go:wasmimport strobe log
func hostLog(level uint32, text unsafe.Pointer, size uint32)

//go:wasmimport strobe config
func hostConfig(key unsafe.Pointer, keySize uint32, value unsafe.Pointer, room uint32) int32

var (
	self  = newGuest(config, log)
	input []byte // where the host writes requests; kept here so that it stays where it is
)

//go:wasmexport strobe_abi
func strobeABI() uint32 {
	if handler == nil {
		return 0
	}
	return version
}

//go:wasmexport strobe_buf
func strobeBuf(n uint32) uint32 {
	if uint32(cap(input)) < n {
		input = make([]byte, n)
	}
	return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(input))))
}

//go:wasmexport strobe_process
func strobeProcess(ptr, n uint32) uint64 {
	if n > uint32(cap(input)) || ptr != uint32(uintptr(unsafe.Pointer(unsafe.SliceData(input)))) {
		panic("strobe: the host wrote its request where there is no buffer")
	}
	out := self.process(input[:n])
	return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(out))))<<32 | uint64(len(out))
}

func log(level uint32, text string) {
	hostLog(level, unsafe.Pointer(unsafe.StringData(text)), uint32(len(text)))
}

func config(key string) (string, bool) {
	room := make([]byte, 128)
	for {
		n := hostConfig(unsafe.Pointer(unsafe.StringData(key)), uint32(len(key)), unsafe.Pointer(unsafe.SliceData(room)), uint32(len(room)))
		switch {
		case n < 0:
			return "", false
		case int(n) <= len(room):
			return string(room[:n]), true
		}
		room = make([]byte, n)
	}
}

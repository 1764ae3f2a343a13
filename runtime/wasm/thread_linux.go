package wasm

import (
	"syscall"
	"unsafe"
)

const schedIdle = 5 // SCHED_IDLE of sched(7)

// yieldProcessor makes the calling thread give way to every other that wants its processor, for as long as it lives. Where the system
// refuses, the thread stays as it is.
func yieldProcessor() {
	var priority int32
	_, _, _ = syscall.RawSyscall(syscall.SYS_SCHED_SETSCHEDULER, 0, schedIdle, uintptr(unsafe.Pointer(&priority)))
}

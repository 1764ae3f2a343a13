package postgres

import (
	"syscall"
	"time"
)

// takeNap blocks the thread: Go's own timers make more than a millisecond of a nap and several system calls, and the data it waits for
// comes in a fifth of that.
func takeNap(d time.Duration) {
	ts := syscall.NsecToTimespec(int64(d))
	syscall.Nanosleep(&ts, nil)
}

package machine

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Pacer sleeps until points in time on a thread of its own. Go's timers have a grain of about a millisecond, which an open loop
// would report as latency of the server.
type Pacer struct{}

// NewPacer locks the calling goroutine to its thread and makes the thread's sleeps exact.
func NewPacer() Pacer {
	runtime.LockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // without it sleeps are 50 µs longer
	return Pacer{}
}

// Until sleeps until t, or not at all when that has passed.
func (Pacer) Until(t time.Time) {
	for {
		d := time.Until(t)
		if d <= 0 {
			return
		}
		ts := unix.NsecToTimespec(int64(d))
		_ = unix.Nanosleep(&ts, nil) // interrupted by a signal: once more
	}
}

// Close gives the thread back.
func (Pacer) Close() { runtime.UnlockOSThread() }

// Sleep sleeps for d exactly, blocking the thread.
func Sleep(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&ts, nil) // interrupted by a signal: shorter
}

//go:build !linux

package machine

import (
	"runtime"
	"time"
)

// Pacer sleeps until points in time.
type Pacer struct{}

// NewPacer locks the calling goroutine to its thread.
func NewPacer() Pacer {
	runtime.LockOSThread()
	return Pacer{}
}

// Until sleeps until t, or not at all when that has passed. The grain is that of Go's timers.
func (Pacer) Until(t time.Time) { time.Sleep(time.Until(t)) }

// Close gives the thread back.
func (Pacer) Close() { runtime.UnlockOSThread() }

// Sleep sleeps for d, in the grain of Go's timers.
func Sleep(d time.Duration) { time.Sleep(d) }

//go:build !linux

package main

import (
	"log/slog"
	"runtime"
	"syscall"
)

// behindTheBroker makes the child process the one that waits when the machine is short of processors: a guest that loops burns a core
// until its deadline. One core is left to the broker; priority_linux.go has the figures.
func behindTheBroker(log *slog.Logger) {
	runtime.GOMAXPROCS(max(1, runtime.GOMAXPROCS(0)-1))
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, childNice); err != nil {
		log.Debug("lower priority", "error", err)
	}
}

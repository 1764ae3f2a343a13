package main

import (
	"log/slog"
	"os"
	"runtime"
	"syscall"
)

// behindTheBroker makes the child process the one that waits, and the one that dies, when the machine is short of processors or memory: a guest
// that loops burns a core until its deadline.
//
// One core is left to the broker, because priorities alone do not keep it fast: with every core of two busy in guests, publishing at a fifth of
// what the machine can do had a p99 of 100 to 370 ms, at nice 5, nice 19 and SCHED_IDLE alike; with one core left it stays where it was (`bench
// -only neighbour`). The identity function, topic to topic on two cores, pays a sixth of its rate for that.
//
// Where one of these is not allowed nothing is lost.
func behindTheBroker(log *slog.Logger) {
	runtime.GOMAXPROCS(max(1, runtime.GOMAXPROCS(0)-1))
	// Linux keeps the niceness for each thread, and new ones take that of the thread that made them.
	if _, _, errno := syscall.AllThreadsSyscall(syscall.SYS_SETPRIORITY, syscall.PRIO_PROCESS, 0, childNice); errno != 0 {
		log.Debug("lower priority", "error", errno)
	}
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("500"), 0); err != nil {
		log.Debug("first to go when memory is short", "error", err)
	}
}

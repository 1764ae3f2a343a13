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
// One core is left to the broker, because priorities alone did not keep it fast. With four functions that loop on two cores, slices of publishing
// at 10 K x 1 KiB a second had a p99 of up to 370 ms at nice 5, 180 ms at nice 19 or SCHED_IDLE, 190 ms at SCHED_BATCH; with one core left 2 to 10 ms,
// which is what slices without a function that loops had on the same, busy machine (`bench -only neighbour`; two short slices each, before
// guests counted their own work). The identity function, topic to topic on two cores, pays a tenth to a quarter of its rate for that.
//
// A function that had a long call gets threads for its further ones that stand behind all others (runtime/wasm/guard.go): beside one that loops the
// median window's p99 is 1.6 times that of a quiet machine with it and 2.5 times without, beside four 2.2 and 2.4 times (5 slices each).
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

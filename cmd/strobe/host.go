package main

import (
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/strobemq/strobe/connectors/all"
	"github.com/strobemq/strobe/runtime/host"
)

// runHost is the child process that holds guests and connectors.
func runHost() int {
	signal.Ignore(os.Interrupt, syscall.SIGTERM) // the parent decides when to stop, and drains first
	// A guest that loops burns a core until its deadline: the broker's process goes first. Where it is not allowed nothing is lost.
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, 5)
	log := slog.New(slog.NewTextHandler(os.Stderr, nil)).With("process", "host")
	servePprof(log, pprofHostAddress)
	b := host.NewBuilder(all.Types)
	if err := host.RunChild(log, b.Build, b.Judge); err != nil {
		fmt.Fprintln(os.Stderr, "strobe host:", err)
		return 1
	}
	return 0
}

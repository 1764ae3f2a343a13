package main

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/strobemq/strobe/connectors/all"
	"github.com/strobemq/strobe/runtime/host"
)

// childNice is how nice the child process is to everybody else.
const childNice = 5

// runHost is the child process that holds guests and connectors. args are the parent's log.level.
func runHost(args []string) int {
	signal.Ignore(os.Interrupt, syscall.SIGTERM) // the parent decides when to stop, and drains first
	log := newLog(strings.Join(args, "")).With("process", "host")
	behindTheBroker(log)
	servePprof(log, pprofHostAddress)
	b := host.NewBuilder(all.Types)
	if err := host.RunChild(log, b.Build, b.Judge); err != nil {
		fmt.Fprintln(os.Stderr, "strobe host:", err)
		return 1
	}
	return 0
}

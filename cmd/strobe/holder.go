package main

import (
	"fmt"
	"net"
	"os"
)

// holder is who has the address, as the end of a sentence, or how to find that out where the system does not tell.
func holder(addr string) string {
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return ""
	}
	switch pid, command, err := portHolder(a); {
	case err != nil:
		return fmt.Sprintf("; %s (%v)", howToFind(a.Port), err)
	case pid == os.Getpid():
		return " is used by this process: --listen and --http want the same address"
	default:
		return fmt.Sprintf(" is used by process %d (%s)", pid, command)
	}
}

//go:build !linux

package main

import (
	"errors"
	"fmt"
	"net"
)

func howToFind(port int) string {
	return fmt.Sprintf("`sudo lsof -nP -iTCP:%d -sTCP:LISTEN` names the process", port)
}

// portHolder finds nothing: the system tells it only through private interfaces.
func portHolder(*net.TCPAddr) (pid int, command string, err error) {
	return 0, "", errors.New("strobe cannot look it up on this system")
}

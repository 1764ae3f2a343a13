//go:build !linux

package postgrestest

import (
	"bytes"
	"os/exec"
	"strconv"
)

// children lists the processes whose parent is pid.
func children(pid int) []int {
	out, _ := exec.Command("pgrep", "-P", strconv.Itoa(pid)).Output()
	var list []int
	for _, field := range bytes.Fields(out) {
		if child, err := strconv.Atoi(string(field)); err == nil {
			list = append(list, child)
		}
	}
	return list
}

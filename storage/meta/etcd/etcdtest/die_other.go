//go:build !linux

package etcdtest

import "syscall"

// dieWith: there is no such signal here; Close ends the process.
func dieWith(*syscall.SysProcAttr) {}

package etcdtest

import "syscall"

// dieWith lets the process end when its starter does, however that happens.
func dieWith(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }

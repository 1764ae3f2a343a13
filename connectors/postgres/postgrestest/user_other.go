//go:build !linux

package postgrestest

import "syscall"

// runAs is the account that initdb and postgres run under: the caller's. Postgres itself refuses root and says so.
type runAs struct {
	attr        *syscall.SysProcAttr
	own         func(dir string) error
	sharedCache string
}

func account() runAs {
	return runAs{attr: &syscall.SysProcAttr{}, own: func(string) error { return nil }}
}

// dieWith would tie the server's life to its starter's; only Linux can.
func dieWith(*syscall.SysProcAttr) {}

package postgrestest

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
)

// runAs is the account that initdb and postgres run under: they refuse uid 0.
type runAs struct {
	attr        *syscall.SysProcAttr
	own         func(dir string) error // makes dir the account's
	sharedCache string                 // where binaries must lie so that the account can execute them; empty: anywhere
}

func asCaller() runAs {
	return runAs{attr: &syscall.SysProcAttr{}, own: func(string) error { return nil }}
}

// inNamespace shows root as uid 1000: files stay root's, nothing is chowned, closed directories such as /root work.
func inNamespace() runAs {
	as := asCaller()
	as.attr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: os.Getegid(), Size: 1}},
	}
	return as
}

// asNobody is for containers that forbid namespaces: another uid that may pass closed directories to its data (CAP_DAC_OVERRIDE, which
// such containers have). The data directory is given to it; programs below a closed directory it cannot execute.
func asNobody() runAs {
	const nobody, dacOverride = 65534, 1
	return runAs{
		attr: &syscall.SysProcAttr{
			Credential:  &syscall.Credential{Uid: nobody, Gid: nobody},
			AmbientCaps: []uintptr{dacOverride},
		},
		own: func(dir string) error {
			return filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
				if err != nil {
					return err
				}
				return os.Lchown(path, nobody, nobody)
			})
		},
		sharedCache: "/var/cache/strobe",
	}
}

var account = sync.OnceValue(func() runAs {
	if os.Geteuid() != 0 {
		return asCaller()
	}
	as := inNamespace()
	try := exec.Command("true")
	try.SysProcAttr = as.attr
	if try.Run() == nil {
		return as
	}
	return asNobody()
})

// dieWith makes a child end with the thread that starts it: an immediate shutdown of Postgres.
func dieWith(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGQUIT }

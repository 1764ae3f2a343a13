package vfs

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncData is F_FULLFSYNC, which os.File.Sync issues on macOS: fsync alone leaves the data in the drive's cache.
func syncData(f *os.File) error { return f.Sync() }

func allocate(f *os.File, size int64) error {
	store := unix.Fstore_t{Flags: unix.F_ALLOCATEALL, Posmode: unix.F_PEOFPOSMODE, Length: size}
	if err := unix.FcntlFstore(f.Fd(), unix.F_PREALLOCATE, &store); err != nil {
		return err
	}
	return f.Truncate(size)
}

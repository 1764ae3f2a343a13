package vfs

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncData is fdatasync: it also writes the size when that has changed.
func syncData(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return err
		}
	}
}

func allocate(f *os.File, size int64) error {
	return unix.Fallocate(int(f.Fd()), 0, 0, size)
}

package main

import (
	"os"
	"syscall"
	"time"
)

const (
	quietTime = time.Minute // a disk that takes longer is like that
	// quietFor is how long it must be quiet: what a file system frees goes on its way with its next commit, which ext4 makes every five seconds.
	quietFor  = 7 * time.Second
	quickSync = 100 * time.Millisecond
)

// quietDisk waits until the disk under dir is done with what was written and removed: until small syncs, of a file that grows and of one that does not,
// were quick for a while. A removal of 10 GiB had a sync of the second kind wait for 0.4 s, and one of the first for 0.2 s, six seconds later.
func quietDisk(dir string) error {
	syscall.Sync()
	f, err := os.CreateTemp(dir, "quiet")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	block := make([]byte, 16<<10)
	begun := time.Now()
	for since, at := begun, int64(0); time.Since(since) < quietFor && time.Since(begun) < quietTime; time.Sleep(10 * time.Millisecond) {
		for _, to := range []int64{0, at} {
			from := time.Now()
			if _, err := f.WriteAt(block, to); err != nil {
				return err
			}
			if err := f.Sync(); err != nil {
				return err
			}
			if time.Since(from) > quickSync {
				since = time.Now()
			}
		}
		at += int64(len(block))
	}
	return nil
}

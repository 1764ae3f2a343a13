package main

import (
	"os"
	"syscall"
	"time"
)

const (
	quietTime  = time.Minute // a disk that takes longer is like that
	quietSyncs = 50
	quickSync  = 20 * time.Millisecond
)

// quietDisk waits until the disk under dir is done with what was written and removed: until a number of small syncs, one after the other, are quick.
// Discarding tens of gigabytes goes on for many seconds after the files are gone.
func quietDisk(dir string) error {
	syscall.Sync()
	f, err := os.CreateTemp(dir, "quiet")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	for begun, quick := time.Now(), 0; quick < quietSyncs && time.Since(begun) < quietTime; quick++ {
		at := time.Now()
		if _, err := f.WriteAt(make([]byte, 16<<10), 0); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		if time.Since(at) > quickSync {
			quick = -1
		}
	}
	return nil
}

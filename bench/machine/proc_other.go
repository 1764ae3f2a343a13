//go:build !linux

package machine

import (
	"errors"
	"fmt"
	"runtime"
	"time"
)

var errNoProc = errors.New("not known without /proc")

func readUsage() (usage, bool) { return usage{}, false }

// CPU is not known here.
func CPU(int) time.Duration { return 0 }

// RSS is not known here.
func RSS(int) (int64, error) { return 0, errNoProc }

// ChildrenRSS is not known here.
func ChildrenRSS(int) (int64, error) { return 0, errNoProc }

// Written is not known here.
func Written(int) (int64, error) { return 0, errNoProc }

// Free is not known here.
func Free(string) (int64, error) { return 0, errNoProc }

// Describe says in one line what the machine is.
func Describe() string {
	return fmt.Sprintf("%d CPUs, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}

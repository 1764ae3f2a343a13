//go:build !linux

package postgres

import "time"

func takeNap(d time.Duration) { time.Sleep(d) }

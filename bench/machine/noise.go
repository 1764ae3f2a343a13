// Package machine tells how the machine was busy with others while something was measured, and what a process used.
//
// On Linux it reads /proc. Elsewhere nothing is known: every slice counts as quiet and the report says so.
package machine

import (
	"context"
	"runtime"
	"time"
)

// Noise is how a stretch of time was used, as shares of the whole machine (1: all CPUs).
type Noise struct {
	Known   bool    // false where /proc is not
	Steal   float64 // taken by the hypervisor
	Foreign float64 // used by processes that are not descendants of this one; kernel threads are not counted
	Own     float64 // used by this process and its descendants
	Busy    float64 // everything but idle and waiting for the disk
}

// MaxSteal and MaxForeign are the shares above which a slice is noisy.
const (
	MaxSteal   = 0.02
	MaxForeign = 0.15
)

// Noisy reports whether what was measured meanwhile says more about others than about what was measured.
func (n Noise) Noisy() bool { return n.Known && (n.Steal > MaxSteal || n.Foreign > MaxForeign) }

// Watch takes the counters; the function it returns takes them again and says what happened in between.
func Watch() (stop func() Noise) {
	before, ok := readUsage()
	return func() Noise {
		after, ok2 := readUsage()
		if !ok || !ok2 {
			return Noise{}
		}
		return after.since(before)
	}
}

// ticks of the counters in /proc, a second. It is 100 on every Linux that Go runs on.
const ticks = 100

// usage are counters in ticks since the machine started.
type usage struct {
	total, busy, steal float64
	own, kernel        float64
}

func (u usage) since(b usage) Noise {
	total := u.total - b.total
	if total <= 0 {
		return Noise{}
	}
	own, kernel, busy, steal := u.own-b.own, u.kernel-b.kernel, u.busy-b.busy, u.steal-b.steal
	return Noise{Known: true, Steal: steal / total, Own: own / total, Busy: busy / total, Foreign: max(0, (busy-steal-own-kernel)/total)}
}

// Gate waits for a quiet machine, for so long in all.
type Gate struct {
	Left time.Duration // how long may still be waited
}

// look is over how long the gate judges. Long against a tick of the counters, short against a slice.
const look = 300 * time.Millisecond

// Wait returns when others were quiet for a moment, or when no waiting time is left.
func (g *Gate) Wait(ctx context.Context) {
	for runtime.GOOS == "linux" && g.Left > 0 && ctx.Err() == nil {
		stop := Watch()
		select {
		case <-time.After(look):
		case <-ctx.Done():
			return
		}
		if !stop().Noisy() {
			return
		}
		g.Left -= look
	}
}

package managed

import "time"

// clock is the time that retention goes by. A wall clock may be set forward by years while the process runs, and ledgers must not
// look old then; so it advances no faster than the monotonic clock since the start, and follows the wall clock when that is
// behind. During the grace after the start, when a clock that was wrong at boot is put right, it says nothing. Ledgers carry the time of
// whichever process closed them, so that a clock that is ahead of others counts as late as they are.
type clock struct {
	start time.Time
	grace time.Duration
	wall  func() time.Time
	ahead func() time.Duration // by which the wall clock may be ahead of those of the cluster
}

func newClock(grace time.Duration, ahead func() time.Duration) clock {
	if ahead == nil {
		ahead = func() time.Duration { return 0 }
	}
	return clock{start: time.Now(), grace: grace, wall: time.Now, ahead: ahead}
}

// plausible is the time in ms below which a recorded time comes from a clock that was never set.
var plausible = time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()

// expired reports whether a ledger closed at stamp (ms) is older than keep, and if not, in how long to ask again (0: never).
func (c clock) expired(stamp int64, keep time.Duration) (yes bool, in time.Duration) {
	if keep < 0 {
		return false, 0
	}
	elapsed := time.Since(c.start)
	if elapsed < c.grace {
		return false, c.grace - elapsed
	}
	now := min(c.wall().UnixMilli(), c.start.UnixMilli()+elapsed.Milliseconds()) - c.ahead().Milliseconds()
	if age := time.Duration(now-stamp) * time.Millisecond; age <= keep {
		return false, keep - age + time.Second
	}
	return true, 0
}

package managed

import "time"

// clock is the time that retention goes by. A wall clock may be set forward by years while the process runs, and ledgers must not
// look old then; so it advances no faster than the monotonic clock since the start, and follows the wall clock when that is
// behind. During the grace after the start it is not trusted at all.
type clock struct {
	start time.Time
	grace time.Duration
}

func newClock(grace time.Duration) clock { return clock{start: time.Now(), grace: grace} }

// plausible is the year below which a recorded time is a clock that was never set.
var plausible = time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()

// now is the time in ms; ok is false while it is not trusted.
func (c clock) now() (ms int64, ok bool) {
	wall := time.Now()
	elapsed := wall.Sub(c.start) // monotonic
	steady := c.start.Round(0).Add(elapsed)
	return min(wall.UnixMilli(), steady.UnixMilli()), elapsed >= c.grace
}

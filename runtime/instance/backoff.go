package instance

import (
	"math/rand/v2"
	"time"
)

// Backoff says how long to wait between attempts: First, then twice as long each time, up to Most. Each wait is spread by a quarter to both
// sides, so that instances that failed together do not come back together.
type Backoff struct {
	First time.Duration
	Most  time.Duration
}

func (b Backoff) withDefaults() Backoff {
	set(&b.First, 100*time.Millisecond)
	set(&b.Most, 30*time.Second)
	return b
}

// after is the wait after that many failures, at least one.
func (b Backoff) after(failures int) time.Duration {
	d := b.First
	for ; failures > 1 && d < b.Most; failures-- {
		d *= 2
	}
	d = min(d, b.Most)
	return d*3/4 + rand.N(d/2+1)
}

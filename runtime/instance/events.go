package instance

import (
	"sync"
	"time"
)

// eventsPerSecond is how many lines about single messages the loop writes; the counters have them all.
const eventsPerSecond = 20

// eventLimit keeps the log readable when every message fails.
type eventLimit struct {
	mu     sync.Mutex
	second int64
	n      int
}

func (e *eventLimit) allow() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s := time.Now().Unix(); s != e.second {
		e.second, e.n = s, 0
	}
	e.n++
	return e.n <= eventsPerSecond
}

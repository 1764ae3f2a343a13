package subscription

import "context"

// Readers is a process's budget of subscriptions that read from disk at the same time. What waits for a slot is one goroutine per
// subscription that has something to read and a consumer to give it to.
type Readers struct {
	slots chan struct{}
}

// NewReaders makes a budget of n; 0: 16.
func NewReaders(n int) *Readers {
	if n <= 0 {
		n = 16
	}
	return &Readers{slots: make(chan struct{}, n)}
}

// acquire waits for a slot; false when ctx ended first.
func (r *Readers) acquire(ctx context.Context) bool {
	select {
	case r.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *Readers) release() { <-r.slots }

// Busy is how many read now.
func (r *Readers) Busy() int { return len(r.slots) }

package managed

import (
	"sync"
	"time"
)

// flusher writes the positions of cursors that moved, a while after they moved, so that many moves make one write, and not more
// of them in a second than its budget. Cursors wait in one queue; since all wait equally long, it is in the order of being due. One
// timer serves them all, and none runs while the queue is empty.
type flusher struct {
	wait time.Duration
	rate float64 // writes a second
	work *workers

	mu     sync.Mutex
	queue  []flushItem
	timer  *time.Timer
	budget float64 // writes allowed now
	asOf   time.Time
	closed bool
	writes int64

	// with is the cursors that have a ledger open. Those that rest give it up, or it would pin a segment of the bookie for ever.
	with map[*Cursor]struct{}
	rest *time.Timer // nil while with is empty
}

type flushItem struct {
	c   *Cursor
	due time.Time
}

// flushWorkers is how many positions are written at the same time.
const flushWorkers = 32

func newFlusher(o Options) *flusher {
	return &flusher{wait: o.FlushInterval, rate: float64(o.FlushRate), work: newWorkers(flushWorkers), budget: float64(o.FlushRate), asOf: time.Now()}
}

// add queues a cursor, which is not queued yet.
func (f *flusher) add(c *Cursor) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	f.queue = append(f.queue, flushItem{c, time.Now().Add(f.wait)})
	if f.timer == nil {
		f.timer = time.AfterFunc(f.wait, f.tick)
	}
}

// tick hands due cursors to the workers as far as the budget goes.
func (f *flusher) tick() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.timer = nil
	if f.closed {
		return
	}
	now := time.Now()
	f.budget = min(f.rate, f.budget+now.Sub(f.asOf).Seconds()*f.rate)
	f.asOf = now
	n := 0
	for n < len(f.queue) && !f.queue[n].due.After(now) && f.budget >= 1 {
		f.budget--
		f.work.run(f.queue[n].c.flushQueued)
		f.writes++
		n++
	}
	clear(f.queue[:n])
	f.queue = f.queue[n:]
	if len(f.queue) == 0 {
		f.queue = nil
		return
	}
	pause := f.queue[0].due.Sub(now)
	if f.budget < 1 {
		pause = max(pause, 50*time.Millisecond)
	}
	f.timer = time.AfterFunc(max(pause, time.Millisecond), f.tick)
}

// restEvery is how often cursors with an open ledger are looked at; one that wrote nothing since the last time rests.
const restEvery = 30 * time.Minute

// opened and shut note whether a cursor has a ledger open.
func (f *flusher) opened(c *Cursor) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	if f.with == nil {
		f.with = map[*Cursor]struct{}{}
	}
	f.with[c] = struct{}{}
	if f.rest == nil {
		f.rest = time.AfterFunc(restEvery, f.look)
	}
}

func (f *flusher) shut(c *Cursor) {
	f.mu.Lock()
	delete(f.with, c)
	f.mu.Unlock()
}

func (f *flusher) look() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rest = nil
	if f.closed || len(f.with) == 0 {
		return
	}
	for c := range f.with {
		f.work.run(c.park)
	}
	f.rest = time.AfterFunc(restEvery, f.look)
}

// stats is how many cursors wait, and how many were written.
func (f *flusher) stats() (waiting int, writes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.queue), f.writes
}

// close stops the timer and waits for the writes that run; what is queued was written by closing the managed ledgers. Idempotent.
func (f *flusher) close() {
	f.mu.Lock()
	f.closed = true
	f.queue = nil
	for _, t := range []*time.Timer{f.timer, f.rest} {
		if t != nil {
			t.Stop()
		}
	}
	f.timer, f.rest, f.with = nil, nil, nil
	f.mu.Unlock()
	f.work.close()
}

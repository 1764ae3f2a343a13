package ledger

import (
	"sync"

	"github.com/strobemq/strobe/storage/bk"
)

// completer is the goroutine that tells the owners of adds. Writers queue up with what they have; each is served whole, in
// entry order, off every lock.
type completer struct {
	mu     sync.Mutex
	wake   *sync.Cond
	ready  []*writer
	closed bool
	joined sync.WaitGroup
}

func (c *completer) start() {
	c.wake = sync.NewCond(&c.mu)
	c.joined.Go(c.run)
}

// add queues a writer that has something to tell.
func (c *completer) add(w *writer) {
	c.mu.Lock()
	c.ready = append(c.ready, w)
	if len(c.ready) == 1 {
		if c.closed {
			go c.run() // whoever adds to a closed client is told too
		}
		c.wake.Signal()
	}
	c.mu.Unlock()
}

func (c *completer) run() {
	var ready []*writer
	var list []*bk.Add
	for {
		c.mu.Lock()
		for len(c.ready) == 0 && !c.closed {
			c.wake.Wait()
		}
		if len(c.ready) == 0 {
			c.mu.Unlock()
			return
		}
		ready, c.ready = c.ready, ready[:0]
		c.mu.Unlock()
		for i, w := range ready {
			list = w.takeDone(list[:0])
			for rest := list; len(rest) > 0; { // one call for each run of adds with the same owner
				n := 1
				for n < len(rest) && rest[n].Done == rest[0].Done {
					n++
				}
				rest[0].Done.AddsDone(rest[:n:n])
				rest = rest[n:]
			}
			clear(list)
			w.told()
			ready[i] = nil
		}
	}
}

// Close serves what is queued and joins the goroutine.
func (c *completer) Close() {
	c.mu.Lock()
	c.closed = true
	c.wake.Signal()
	c.mu.Unlock()
	c.joined.Wait()
}

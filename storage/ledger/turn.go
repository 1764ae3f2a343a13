package ledger

import (
	"errors"
	"slices"
	"time"

	"github.com/strobemq/strobe/storage/bk"
)

// slowFor is how long others are asked before a bookie that made a read wait.
const slowFor = 5 * time.Second

// inTurn asks replicas in order, given as indexes into bookies, until ask returns nil. A bookie that gives no answer in Options.Patience
// (ask returns bk.ErrTimeout) loses its turn to the next one, is asked again when all have been, and then gets twice as long;
// after Options.ReadTimeout it is given up. The last one that is left has all of that at once. order is used up.
func (c *Client) inTurn(order []int, bookies []string, ask func(index int, limit time.Duration) error) {
	for patience := c.o.Patience; len(order) > 0; patience *= 2 {
		left := order[:0]
		for _, i := range order {
			limit := min(patience, c.o.ReadTimeout)
			if len(order) == 1 {
				limit = c.o.ReadTimeout
			}
			err := ask(i, limit)
			if err == nil {
				return
			}
			if !errors.Is(err, bk.ErrTimeout) {
				continue
			}
			if limit < c.o.ReadTimeout {
				left = append(left, i)
				c.sawSlow(bookies[i])
			} else {
				c.quarantine(bookies[i], bk.ErrTimeout)
			}
		}
		order = left
	}
}

func (c *Client) sawSlow(id string) {
	c.mu.Lock()
	c.slow[id] = time.Now().Add(slowFor)
	c.mu.Unlock()
}

// slowLast moves bookies that made a read wait, or failed lately, to the end of an order.
func (c *Client) slowLast(order []int, bookies []string) {
	if len(order) == 1 {
		return
	}
	avoid := c.avoided()
	c.mu.Lock()
	now := time.Now()
	for id, until := range c.slow {
		if now.After(until) {
			delete(c.slow, id)
		} else {
			avoid = append(avoid, id)
		}
	}
	c.mu.Unlock()
	if len(avoid) == 0 {
		return
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return after(slices.Contains(avoid, bookies[a])) - after(slices.Contains(avoid, bookies[b]))
	})
}

func after(late bool) int {
	if late {
		return 1
	}
	return 0
}

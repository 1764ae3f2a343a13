package managed

import (
	"context"
	"maps"

	"github.com/strobemq/strobe/storage/bk"
)

// Reset moves the cursor, forwards or back, so that next is the first entry that is not acknowledged: everything before it is, nothing
// behind it. bk.Earliest and bk.Latest are allowed. It is durable when it returns nil.
func (c *Cursor) Reset(ctx context.Context, next bk.Position) error {
	l := c.l
	l.mu.Lock()
	if c.closed {
		l.mu.Unlock()
		return ErrClosed
	}
	to := l.lac
	if q, ok := l.chain.atOrAfter(next); ok {
		to = l.chain.before(q)
	}
	c.acks.reset()
	clear(c.batches)
	c.markDelete = to
	c.dirtyLocked()
	l.trimSoonLocked()
	c.unlockMoved(true)
	return c.Flush(ctx)
}

// Skip acknowledges the first n entries that are not acknowledged.
func (c *Cursor) Skip(n int64) {
	from := bk.Earliest
	for ; n > 0; n-- {
		p := c.NextUnacked(from)
		if !c.AckIndividual([]Ack{{Position: p}}) && !c.IsAcked(p) {
			return
		}
		from = p
	}
}

// SetProperties replaces the cursor's own properties. They are durable when it returns nil.
func (c *Cursor) SetProperties(ctx context.Context, props map[string]string) error {
	if c.durable {
		if err := c.store.lock.lock(ctx); err != nil {
			return err
		}
		defer c.store.lock.unlock()
	}
	l := c.l
	l.mu.Lock()
	if c.closed {
		l.mu.Unlock()
		return ErrClosed
	}
	old := c.props
	c.props = maps.Clone(props)
	l.mu.Unlock()
	if !c.durable {
		return nil
	}
	err := l.usable()
	if err == nil {
		err = c.putProperties(ctx)
	}
	if err != nil {
		l.mu.Lock()
		c.props = old
		l.mu.Unlock()
	}
	return err
}

// Close frees a non-durable cursor, and writes a durable one, which stays open with its managed ledger. Idempotent.
func (c *Cursor) Close(ctx context.Context) error {
	if c.durable {
		return c.Flush(ctx)
	}
	l := c.l
	l.mu.Lock()
	defer l.mu.Unlock()
	c.closed = true
	delete(l.loose, c)
	l.trimSoonLocked()
	return nil
}

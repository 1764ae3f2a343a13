package managed

import (
	"context"
	"errors"
)

// park moves the position of a cursor that rests into the node, and gives its ledger up.
func (c *Cursor) park() {
	ctx, cancel := context.WithTimeout(c.l.m.ctx, metadataTimeout)
	defer cancel()
	if c.store.lock.lock(ctx) != nil {
		return
	}
	defer c.store.lock.unlock()
	w := c.store.writer
	if w == nil || c.l.usable() != nil {
		return
	}
	if !w.rested {
		w.rested = true
		return
	}
	c.l.mu.Lock()
	p, dirty := c.positionLocked(), c.store.dirty
	c.l.mu.Unlock()
	if dirty || !c.small(&p, p.encode()) {
		return
	}
	c.store.puts = 0
	if err := c.writeNode(ctx, &p); err != nil && err != ErrFenced {
		c.l.logger().Warn("resting cursor keeps its ledger", "cursor", c.name, "err", err)
	}
}

// shut writes the cursor for the last time: into the node, so that the next open needs no ledger, or, with too many ranges for
// that, into its ledger.
func (c *Cursor) shut(ctx context.Context) error {
	if err := c.store.lock.lock(ctx); err != nil {
		return err
	}
	defer c.store.lock.unlock()
	c.l.mu.Lock()
	dirty, p := c.store.dirty, c.positionLocked()
	c.store.gone, c.closed = true, true
	c.l.mu.Unlock()
	if c.store.writer == nil && !dirty {
		return nil
	}
	encoded := p.encode()
	if c.small(&p, encoded) {
		return c.writeNode(ctx, &p)
	}
	if w := c.store.writer; w == nil || dirty && w.append(ctx, encoded) != nil {
		if err := c.writeLedger(ctx, &p, encoded); err != nil {
			return errors.Join(err, c.writeNode(ctx, &p))
		}
	}
	w := c.store.writer
	c.useWriter(nil)
	return w.ledger.Close(ctx)
}

// abandon frees the cursor without writing.
func (c *Cursor) abandon(ctx context.Context) {
	if c.store.lock.lock(ctx) != nil {
		return
	}
	defer c.store.lock.unlock()
	c.l.mu.Lock()
	c.store.gone, c.closed = true, true
	c.l.mu.Unlock()
	if w := c.store.writer; w != nil {
		c.useWriter(nil)
		_ = w.ledger.Close(ctx)
	}
}

// remove deletes what the cursor stored.
func (c *Cursor) remove(ctx context.Context) error {
	if err := c.store.lock.lock(ctx); err != nil {
		return err
	}
	defer c.store.lock.unlock()
	if err := c.l.m.removeCursor(ctx, c.path()); err != nil {
		return err
	}
	c.l.mu.Lock()
	c.store.gone, c.closed = true, true
	c.l.mu.Unlock()
	if w := c.store.writer; w != nil {
		c.useWriter(nil)
		_ = w.ledger.Close(ctx)
	}
	return nil
}

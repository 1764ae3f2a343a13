package managed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/meta"
)

// info is the cursor as its node holds it.
func (c *Cursor) info(now time.Time) cursorInfo {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	return cursorInfo{ledger: -1, active: now.UnixMilli(), position: c.positionLocked(c.l.cfg.MaxNodeRanges), properties: c.props, rest: c.store.rest}
}

func (c *Cursor) positionLocked(ranges int) position {
	p := position{markDelete: c.markDelete, properties: c.longs}
	c.acks.each(func(r ackRange) bool {
		p.ranges = append(p.ranges, r)
		return len(p.ranges) < ranges
	})
	for at, words := range c.batches {
		p.batches = append(p.batches, batchSet{at, words})
	}
	return p
}

func (c *Cursor) saveNode(ctx context.Context) error {
	c.l.mu.Lock()
	c.store.dirty = false
	c.l.mu.Unlock()
	info := c.info(time.Now())
	v, err := c.l.m.swap(ctx, cursorPath(c.l.name, c.name), info.encode(), c.store.version)
	if errors.Is(err, meta.ErrConflict) {
		c.l.fence(fmt.Errorf("cursor %s was written by another owner", c.name))
		return ErrFenced
	}
	if err == nil {
		c.store.version = v
	}
	return err
}

func (c *Cursor) dirtyLocked() {
	if c.durable && !c.store.dirty {
		c.store.dirty = true
		c.l.m.flusher.add(c)
	}
}

func (c *Cursor) remove(ctx context.Context) error {
	return c.l.m.removeCursor(ctx, cursorPath(c.l.name, c.name))
}

func (c *Cursor) load(ctx context.Context, path string) error {
	v, err := c.l.m.meta.Get(ctx, path)
	if err != nil {
		return err
	}
	info, err := decodeCursorInfo(v.Data)
	if err != nil {
		return damagedNode(path, err)
	}
	p := info.position
	if info.ledger >= 0 {
		if p, err = c.l.m.readPosition(ctx, info); err != nil {
			return err
		}
	}
	c.store.version, c.store.rest, c.props = v.Version, info.rest, info.properties
	c.restore(p)
	return nil
}

func (m *Manager) readPosition(ctx context.Context, info cursorInfo) (position, error) {
	r, err := m.ledgers.Open(ctx, info.ledger, true)
	if errors.Is(err, bk.ErrNoLedger) {
		return info.position, nil
	}
	if err != nil {
		return position{}, err
	}
	defer r.Close(ctx)
	last, _ := r.LastConfirmed()
	if last < 0 {
		return info.position, nil
	}
	got, err := r.Read(ctx, last, last, 1)
	if err != nil {
		return position{}, err
	}
	defer got[0].Payload.Release()
	return decodePosition(got[0].Payload.B)
}

func (c *Cursor) restore(p position) {
	c.markDelete, c.longs = c.l.clipLocked(p.markDelete), p.properties
	for _, r := range p.ranges {
		if k := c.l.chain.find(r.ledger); k != nil {
			c.acks.setRange(r.ledger, r.first, min(r.last, k.entries-1))
		}
	}
	for _, b := range p.batches {
		if c.openLocked(b.position) {
			if c.batches == nil {
				c.batches = map[bk.Position][]int64{}
			}
			c.batches[b.position] = b.words
		}
	}
	c.moveLocked(c.markDelete)
}

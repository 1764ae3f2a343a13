package managed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/meta"
)

// cursorStore is where a durable cursor keeps its position (interop §7.7): in its node while it seldom moves, and as one entry after
// another of a ledger of its own once it moves often.
type cursorStore struct {
	lock ctlLock // serialises writing; taken after Ledger.ctl, before Ledger.mu
	// under lock:
	node   slot
	rest   []byte // fields of the node that are not understood
	writer *cursorWriter
	refers int64 // the ledger that the node names, -1: none; written under Ledger.mu too
	puts   int   // positions written to the node in this life

	// under Ledger.mu:
	dirty  bool // memory is ahead of what is stored
	queued bool // waits in the flusher
	gone   bool // deleted or given up
}

const (
	// nodePuts is how many positions go to the node before a cursor gets a ledger: a ledger costs three metadata writes, and many
	// cursors move once or twice and rest.
	nodePuts = 3
	// nodeBytes is the size up to which a position goes to a node.
	nodeBytes = 512 << 10
)

// path is the key of the node.
func (c *Cursor) path() string { return c.l.path() + "/" + EncodeName(c.name) }

// dirtyLocked notes that the position has to be written.
func (c *Cursor) dirtyLocked() {
	c.store.dirty = c.durable
	if c.store.dirty && !c.store.queued && !c.store.gone {
		c.store.queued = true
		c.l.m.flusher.add(c)
	}
}

// flushQueued is the flusher's turn.
func (c *Cursor) flushQueued() {
	c.l.mu.Lock()
	c.store.queued = false
	c.l.mu.Unlock()
	ctx, cancel := context.WithTimeout(c.l.m.ctx, metadataTimeout)
	defer cancel()
	if err := c.Flush(ctx); err != nil && err != ErrFenced && err != ErrClosed {
		c.l.logger().Warn("cursor position not written, trying again", "cursor", c.name, "err", err)
	}
}

// Flush makes the cursor's position, with what is acknowledged behind it and tied to it, durable. A non-durable cursor has nothing
// to flush.
func (c *Cursor) Flush(ctx context.Context) error {
	if !c.durable {
		return nil
	}
	if err := c.store.lock.lock(ctx); err != nil {
		return err
	}
	defer c.store.lock.unlock()
	p, err := c.begin()
	if p == nil || err != nil {
		return err
	}
	defer c.l.phase("cursor", "cursor", c.name)()
	if err := c.write(ctx, p); err != nil {
		c.l.mu.Lock()
		c.dirtyLocked() // the flusher tries again
		c.l.mu.Unlock()
		return err
	}
	return nil
}

// begin is a picture of the position to be written, nil when it is stored already.
func (c *Cursor) begin() (*position, error) {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	switch {
	case c.store.gone:
		return nil, ErrClosed
	case c.l.dead != nil && c.l.dead != ErrTerminated:
		return nil, c.l.dead
	case !c.store.dirty:
		return nil, nil
	}
	c.store.dirty = false
	p := c.positionLocked()
	return &p, nil
}

func (c *Cursor) positionLocked() position {
	p := position{markDelete: c.markDelete, properties: c.longs}
	c.acks.each(func(r ackRange) bool {
		p.ranges = append(p.ranges, r)
		return len(p.ranges) < c.l.cfg.MaxRanges
	})
	for at, words := range c.batches {
		if c.markDelete.Less(at) && len(p.batches) < c.l.cfg.MaxBatchSets {
			p.batches = append(p.batches, batchSet{at, append([]int64(nil), words...)})
		}
	}
	p.sort()
	return p
}

// write stores a position: in the open cursor ledger, else in the node, else in a new ledger. Under lock.
func (c *Cursor) write(ctx context.Context, p *position) error {
	cfg := c.l.Config()
	encoded := p.encode()
	w := c.store.writer
	if w != nil && w.entries < cfg.CursorMaxEntries && time.Since(w.begun) < cfg.CursorRollover {
		err := w.append(ctx, encoded)
		if err == nil {
			return nil
		}
		c.l.logger().Info("cursor ledger ended early", "cursor", c.name, "id", w.ledger.ID(), "cause", err)
		c.useWriter(nil)
		_ = w.ledger.Close(ctx)
		return c.writeNode(ctx, p)
	}
	if w == nil && c.small(p, encoded) && c.store.puts < nodePuts {
		c.store.puts++
		return c.writeNode(ctx, p)
	}
	if err := c.writeLedger(ctx, p, encoded); err != nil {
		if err == ErrFenced {
			return err
		}
		c.l.logger().Info("cursor ledger not created, position goes to the node", "cursor", c.name, "cause", err)
		return c.writeNode(ctx, p)
	}
	return nil
}

// small reports whether a position fits the node whole.
func (c *Cursor) small(p *position, encoded []byte) bool {
	return len(p.ranges) <= c.l.Config().MaxNodeRanges && len(encoded) <= nodeBytes
}

// writeNode puts the position into the node, with the ranges that fit, and deletes the ledger that held it before.
func (c *Cursor) writeNode(ctx context.Context, p *position) error {
	cut := *p
	cut.ranges = cut.ranges[:min(len(cut.ranges), c.l.Config().MaxNodeRanges)]
	return c.put(ctx, -1, cut)
}

// writeLedger begins a cursor ledger with the position as its first entry.
func (c *Cursor) writeLedger(ctx context.Context, p *position, encoded []byte) error {
	cfg := c.l.Config()
	ledger, err := c.l.m.ledgers.Create(ctx, bk.CreateOptions{Quorum: cfg.Quorum, Digest: cfg.Digest, Custom: c.l.custom(c.name)})
	if err != nil {
		return fmt.Errorf("create cursor ledger: %w", err)
	}
	c.l.m.count.created.Add(1)
	w := newCursorWriter(ledger)
	err = w.append(ctx, encoded)
	if err == nil {
		err = c.put(ctx, ledger.ID(), position{markDelete: p.markDelete, properties: p.properties})
	}
	if err != nil {
		_ = ledger.Close(ctx)
		if !errors.Is(err, meta.ErrUnknown) && c.store.refers != ledger.ID() {
			_ = c.l.m.ledgers.Delete(ctx, ledger.ID())
		}
		return err
	}
	c.useWriter(w)
	return nil
}

// useWriter makes w, or nil, the open ledger of the cursor.
func (c *Cursor) useWriter(w *cursorWriter) {
	c.store.writer = w
	if w != nil {
		c.l.m.flusher.opened(c)
	} else {
		c.l.m.flusher.shut(c)
	}
}

// put writes the node. ledger is where the position lies, -1: in p. The ledger that the node named before is deleted.
func (c *Cursor) put(ctx context.Context, ledger int64, p position) error {
	c.l.mu.Lock()
	info := cursorInfo{ledger: ledger, active: time.Now().UnixMilli(), position: p, properties: c.props, rest: c.store.rest}
	c.l.mu.Unlock()
	err := c.store.node.write(ctx, c.l.m, c.path(), info.encode())
	if errors.Is(err, meta.ErrConflict) {
		c.l.fence(fmt.Sprintf("cursor %s was written by another owner", c.name))
		return ErrFenced
	}
	if err != nil {
		return err
	}
	c.forsake(ctx, ledger)
	return nil
}

// create writes the node of a new cursor. meta.ErrConflict when there is one.
func (c *Cursor) create(ctx context.Context) error {
	info := cursorInfo{
		ledger: -1, active: time.Now().UnixMilli(), properties: c.props,
		position: position{markDelete: c.markDelete, properties: c.longs},
	}
	c.store.node.version = meta.Absent
	return c.store.node.write(ctx, c.l.m, c.path(), info.encode())
}

// forsake deletes the ledger that the node named until now, unless it is keep.
func (c *Cursor) forsake(ctx context.Context, keep int64) {
	old := c.store.refers
	c.l.mu.Lock()
	c.store.refers = keep
	c.l.mu.Unlock()
	if old < 0 || old == keep {
		return
	}
	if w := c.store.writer; w != nil && w.ledger.ID() == old {
		c.useWriter(nil)
		_ = w.ledger.Close(ctx)
	}
	if err := c.l.m.ledgers.Delete(ctx, old); err != nil {
		c.l.logger().Warn("old cursor ledger not deleted", "cursor", c.name, "id", old, "err", err)
	}
}

// putProperties writes the node again as it is, with new cursor properties.
func (c *Cursor) putProperties(ctx context.Context) error {
	c.l.mu.Lock()
	p := c.positionLocked()
	c.l.mu.Unlock()
	if c.store.refers >= 0 {
		return c.put(ctx, c.store.refers, position{markDelete: p.markDelete, properties: p.properties})
	}
	return c.writeNode(ctx, &p)
}

package managed

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/meta"
)

// loadAtOnce is how many cursors of a managed ledger are loaded at the same time.
const loadAtOnce = 16

// loadCursors opens the durable cursors that there are.
func (l *Ledger) loadCursors(ctx context.Context) error {
	names, err := l.m.meta.List(ctx, l.path())
	if err != nil {
		return err
	}
	if len(names) == 1 {
		return l.loadCursor(ctx, names[0])
	}
	var all sync.WaitGroup
	slots := make(chan struct{}, loadAtOnce)
	errs := make([]error, len(names))
	for i, name := range names {
		slots <- struct{}{}
		all.Go(func() {
			errs[i] = l.loadCursor(ctx, name)
			<-slots
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func (l *Ledger) loadCursor(ctx context.Context, encoded string) error {
	name, err := DecodeName(encoded)
	if err != nil {
		return damagedNode(l.path()+"/"+encoded, err)
	}
	c := l.newCursor(name)
	switch err := c.load(ctx); {
	case errors.Is(err, meta.ErrNotFound): // a part of a path, not a cursor
		return nil
	case err != nil:
		return fmt.Errorf("cursor %s: %w", name, err)
	}
	l.mu.Lock()
	l.addCursorLocked(c)
	l.mu.Unlock()
	return nil
}

// load reads the node and the position it holds or names (interop §7.7).
func (c *Cursor) load(ctx context.Context) error {
	v, err := c.l.m.meta.Get(ctx, c.path())
	if err != nil {
		return err
	}
	info, err := decodeCursorInfo(v.Data)
	if err != nil {
		return damagedNode(c.path(), err)
	}
	p := info.position
	if info.ledger >= 0 {
		if p, err = c.recover(ctx, info); err != nil {
			return err
		}
	}
	c.store.node.version, c.store.node.unsure, c.store.rest = v.Version, nil, info.rest
	c.l.mu.Lock()
	c.store.refers = info.ledger
	c.props = info.properties
	c.restoreLocked(p)
	c.l.mu.Unlock()
	return nil
}

// lookBack is how many entries of a cursor ledger are tried, from the last one back, before the position in the node counts. An older
// position costs redeliveries, never an entry.
const lookBack = 16

// recover reads the last position of a cursor ledger. What cannot be read there for good gives an older one; what may be read later
// is an error.
func (c *Cursor) recover(ctx context.Context, info cursorInfo) (position, error) {
	r, err := c.l.m.ledgers.Open(ctx, info.ledger, true)
	if errors.Is(err, bk.ErrNoLedger) {
		c.l.logger().Warn("cursor ledger is gone, going back to the position in the node", "cursor", c.name, "id", info.ledger)
		return info.position, nil
	}
	if err != nil {
		return position{}, fmt.Errorf("recover ledger %d: %w", info.ledger, err)
	}
	defer func() { _ = r.Close(ctx) }()
	last, _ := r.LastConfirmed()
	for e := last; e >= 0 && e > last-lookBack; e-- {
		p, err := readPosition(ctx, r, e)
		switch {
		case err == nil:
			return p, nil
		case errors.Is(err, errFooter):
			return position{}, fault.ManagedSplitPosition.New("ledger %d entry %d", info.ledger, e)
		case !lost(err):
			return position{}, fmt.Errorf("ledger %d entry %d: %w", info.ledger, e, err)
		}
		c.l.logger().Warn("cursor position unreadable, going back", "cursor", c.name, "id", info.ledger, "entry", e, "err", err)
	}
	return info.position, nil
}

func readPosition(ctx context.Context, r bk.Ledger, entry int64) (position, error) {
	got, err := r.Read(ctx, entry, entry, 1)
	if err != nil {
		return position{}, err
	}
	defer got[0].Payload.Release()
	return decodePosition(got[0].Payload.B)
}

// lost reports whether an entry will never be readable.
func lost(err error) bool {
	return errors.Is(err, errProto) || errors.Is(err, bk.ErrNoEntry) || errors.Is(err, bk.ErrNoLedger) ||
		errors.Is(err, bk.ErrDigest) || errors.Is(err, bk.ErrIO)
}

// restoreLocked takes over a stored position, as far as the entries it speaks of exist. A mark-delete before the first ledger moves
// forward to it. One behind the last ledger stays: all up to it was trimmed, and what comes lies behind it.
func (c *Cursor) restoreLocked(p position) {
	c.markDelete, c.longs = p.markDelete, p.properties
	if k := c.l.chain.find(p.markDelete.Ledger); k != nil {
		c.markDelete.Entry = min(p.markDelete.Entry, k.entries-1)
	} else if first := c.l.chain.before(bk.Earliest); p.markDelete.Less(first) {
		c.markDelete = first
	}
	for _, r := range p.ranges {
		if k := c.l.chain.find(r.ledger); k != nil {
			c.acks.setRange(r.ledger, r.first, min(r.last, k.entries-1))
		}
	}
	for _, b := range p.batches {
		if len(b.words) > 0 && c.openLocked(b.position) {
			if c.batches == nil {
				c.batches = map[bk.Position][]int64{}
			}
			c.batches[b.position] = b.words
		}
	}
	c.moveLocked(c.markDelete)
}

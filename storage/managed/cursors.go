package managed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/meta"
)

// CursorOptions say how OpenCursor creates a cursor that does not exist yet.
type CursorOptions struct {
	// Start is the mark-delete it begins with: bk.Earliest to deliver everything there is, bk.Latest only what comes.
	Start bk.Position
	// Properties are the cursor's own properties.
	Properties map[string]string
	// LongProperties are tied to its mark-delete.
	LongProperties []LongProperty
}

// OpenCursor returns the durable cursor of that name, created if it is missing: its node is durable when it returns. A cursor that
// is open is returned as it is.
func (l *Ledger) OpenCursor(ctx context.Context, name string, o CursorOptions) (*Cursor, error) {
	if name == "" {
		return nil, fmt.Errorf("cursor %q: %w", name, ErrName)
	}
	if err := l.table.lock(ctx); err != nil {
		return nil, err
	}
	defer l.table.unlock()
	if err := l.usable(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	c := l.cursorLocked(name)
	start := l.clipLocked(o.Start)
	l.mu.Unlock()
	if c != nil {
		return c, nil
	}
	c = l.newCursor(name)
	c.markDelete, c.props, c.longs = start, maps.Clone(o.Properties), slices.Clone(o.LongProperties)
	err := c.create(ctx)
	if errors.Is(err, meta.ErrConflict) { // an earlier call of ours had an unknown result
		err = c.load(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("managed ledger %s: create cursor %s: %w", l.name, name, err)
	}
	l.mu.Lock()
	l.addCursorLocked(c)
	l.mu.Unlock()
	return c, nil
}

// NonDurable returns a new cursor that lives in memory until it is closed, with the mark-delete start. The name is for statistics.
func (l *Ledger) NonDurable(name string, start bk.Position) *Cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &Cursor{l: l, name: name, markDelete: l.clipLocked(start)}
	c.store.refers = -1
	if l.loose == nil {
		l.loose = map[*Cursor]struct{}{}
	}
	l.loose[c] = struct{}{}
	return c
}

func (l *Ledger) newCursor(name string) *Cursor {
	return &Cursor{l: l, name: name, durable: true, store: cursorStore{refers: -1}}
}

// findCursorLocked is where the durable cursor of that name is, or would be.
func (l *Ledger) findCursorLocked(name string) (i int, ok bool) {
	return slices.BinarySearchFunc(l.cursors, name, func(c *Cursor, name string) int { return cmp.Compare(c.name, name) })
}

func (l *Ledger) cursorLocked(name string) *Cursor {
	if i, ok := l.findCursorLocked(name); ok {
		return l.cursors[i]
	}
	return nil
}

func (l *Ledger) addCursorLocked(c *Cursor) {
	if i, ok := l.findCursorLocked(c.name); !ok {
		l.cursors = slices.Insert(l.cursors, i, c)
	}
}

// clipLocked is a start position as a mark-delete: not behind the last entry, and not before the first.
func (l *Ledger) clipLocked(p bk.Position) bk.Position {
	if l.lac.Less(p) {
		return l.lac
	}
	if first := l.chain.before(bk.Earliest); p.Less(first) {
		return first
	}
	return p
}

// DeleteCursor deletes a durable cursor and what it stored. ErrNotFound.
func (l *Ledger) DeleteCursor(ctx context.Context, name string) error {
	if err := l.table.lock(ctx); err != nil {
		return err
	}
	defer l.table.unlock()
	if err := l.usable(); err != nil {
		return err
	}
	l.mu.Lock()
	c := l.cursorLocked(name)
	l.mu.Unlock()
	if c == nil {
		return ErrNotFound
	}
	if err := c.remove(ctx); err != nil {
		return fmt.Errorf("managed ledger %s: delete cursor %s: %w", l.name, name, err)
	}
	l.mu.Lock()
	if i, ok := l.findCursorLocked(name); ok {
		l.cursors = slices.Delete(l.cursors, i, i+1)
	}
	l.trimSoonLocked()
	l.mu.Unlock()
	return nil
}

// Cursors are the durable cursors, by name.
func (l *Ledger) Cursors() []*Cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.cursors)
}

// Cursor is the open durable cursor of that name, or nil.
func (l *Ledger) Cursor(name string) *Cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cursorLocked(name)
}

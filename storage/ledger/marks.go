package ledger

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
)

// maxMarks is how many marks wait at most; more are dropped, with a warning. A mark asks for a repair, no more.
const maxMarks = 4096

// marks writes under-replication marks (Apache's urL nodes, interop §4.9) behind the back of whoever finds that a bookie
// lacks entries.
type marks struct {
	c *Client

	mu      sync.Mutex
	waiting []mark
	running bool
}

// mark says that a bookie lacks entries of a ledger; an empty bookie, that the ledger was made too small.
type mark struct {
	ledger int64
	bookie string
}

func (m *marks) start(c *Client) { m.c = c }

// add has a mark written soon, by a goroutine that lives as long as there are any. It never blocks.
func (m *marks) add(ledger int64, bookie string) {
	x := mark{ledger, bookie}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case slices.Contains(m.waiting, x):
		return
	case len(m.waiting) == maxMarks:
		m.c.log.Warn("under-replication mark dropped", "ledger", ledger, "bookie", bookie)
		return
	}
	m.waiting = append(m.waiting, x)
	if !m.running {
		m.running = m.c.start(m.run)
	}
}

func (m *marks) run() {
	for {
		m.mu.Lock()
		if len(m.waiting) == 0 || m.c.ctx.Err() != nil {
			m.running = false
			m.mu.Unlock()
			return
		}
		x := m.waiting[0]
		m.waiting = m.waiting[1:]
		m.mu.Unlock()
		if err := m.write(m.c.ctx, x); err != nil && m.c.ctx.Err() == nil {
			m.c.log.Warn("under-replication mark not written", "ledger", x.ledger, "bookie", x.bookie, "error", err)
		}
	}
}

// write merges the mark into the ledger's node.
func (m *marks) write(ctx context.Context, x mark) error {
	path := bkwire.UnderreplicationPath(x.ledger)
	for {
		expect := meta.Absent
		u := bkwire.Underreplication{CTime: time.Now().UnixMilli()}
		v, err := m.c.meta.Get(ctx, path)
		if err == nil {
			expect = v.Version
			if u, err = bkwire.DecodeUnderreplication(v.Data); err != nil {
				return err
			}
			if x.bookie == "" || !u.Merge(x.bookie) {
				return nil
			}
		} else if !errors.Is(err, meta.ErrNotFound) {
			return err
		} else if x.bookie != "" {
			u.Merge(x.bookie)
		}
		_, err = m.c.meta.Put(ctx, path, u.Append(nil), expect)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, meta.ErrUnknown), errors.Is(err, meta.ErrConflict):
			if err := pause(ctx, unknownPause); err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// remove takes away the mark of a ledger that is deleted, if it has one. What goes wrong is left to repair.
func (m *marks) remove(ctx context.Context, ledger int64) {
	path := bkwire.UnderreplicationPath(ledger)
	if _, err := m.c.meta.Get(ctx, path); err != nil {
		return
	}
	if err := m.c.meta.Delete(ctx, path, meta.Any); err != nil && !errors.Is(err, meta.ErrNotFound) {
		m.c.log.Warn("under-replication mark of a deleted ledger stays", "ledger", ledger, "error", err)
	}
}

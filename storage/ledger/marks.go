package ledger

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/strobemq/strobe/storage/bk"
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
	calm    *sync.Cond // of mu: the goroutine ended
	waiting []mark
	running bool
}

// mark says that a bookie lacks entries of a ledger; an empty bookie, that the ledger was made too small.
type mark struct {
	ledger int64
	bookie string
}

func (m *marks) start(c *Client) {
	m.c = c
	m.calm = sync.NewCond(&m.mu)
}

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
	for wait := unknownPause; ; {
		m.mu.Lock()
		if len(m.waiting) == 0 || m.c.ctx.Err() != nil {
			m.running = false
			m.calm.Broadcast()
			m.mu.Unlock()
			return
		}
		x := m.waiting[0]
		m.mu.Unlock()
		err := m.write(m.c.ctx, x)
		if errors.Is(err, bk.ErrMetadata) { // it is away: nothing is forgotten meanwhile
			if wait == unknownPause {
				m.c.log.Warn("under-replication marks wait for the metadata", "error", err)
			}
			_ = pause(m.c.ctx, wait) // when ctx is done the next round says so
			wait = min(2*wait, longestPause)
			continue
		}
		wait = unknownPause
		m.mu.Lock()
		m.waiting = m.waiting[1:]
		m.mu.Unlock()
		if err != nil && m.c.ctx.Err() == nil {
			m.c.log.Warn("under-replication mark not written", "ledger", x.ledger, "bookie", x.bookie, "error", err)
		}
	}
}

// write merges the mark into the ledger's node. bk.ErrMetadata: another try may succeed.
func (m *marks) write(ctx context.Context, x mark) error {
	if _, err := m.c.meta.Get(ctx, bkwire.LedgerPath(x.ledger)); err != nil {
		if errors.Is(err, meta.ErrNotFound) {
			return nil // deleted meanwhile
		}
		return metaError(err)
	}
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
			return metaError(err)
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
			return metaError(err)
		}
	}
}

// flush waits until all marks are written, for d at most.
func (m *marks) flush(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	over := false
	t := time.AfterFunc(d, func() {
		m.mu.Lock()
		over = true
		m.calm.Broadcast()
		m.mu.Unlock()
	})
	defer t.Stop()
	for m.running && !over {
		m.calm.Wait()
	}
	if n := len(m.waiting); n > 0 {
		m.c.log.Warn("under-replication marks not written", "marks", n)
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

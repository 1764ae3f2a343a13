package ledger

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
)

// reader is a ledger open for reading.
type reader struct {
	c        *Client
	id       int64
	digester bkwire.Digester
	closed   atomic.Bool

	mu     sync.Mutex
	md     *bkwire.Metadata
	lac    int64
	length int64
}

func (r *reader) ID() int64 { return r.id }

// refresh finds out how far the ledger is confirmed: by its metadata when it is closed, else by asking its bookies.
func (r *reader) refresh(ctx context.Context) error {
	r.mu.Lock()
	md := r.md
	r.mu.Unlock()
	lac, length := md.Last, md.Length
	if md.State != bkwire.Closed {
		var err error
		if lac, _, err = r.c.askLAC(ctx, r.id, md, &r.digester, 0); err != nil {
			return err
		}
		length = 0
		if lac != bk.NoEntry {
			if length, err = r.c.lengthAt(ctx, r.id, md, &r.digester, lac); err != nil {
				return err
			}
		}
	}
	r.mu.Lock()
	if lac >= r.lac {
		r.lac, r.length = lac, length
	}
	r.mu.Unlock()
	return nil
}

// Add implements bk.Ledger: a reader takes nothing.
func (r *reader) Add(adds []*bk.Add) {
	w := &writer{c: r.c, id: r.id, err: fmt.Errorf("ledger %d: %w", r.id, bk.ErrLedgerClosed)}
	w.calm = sync.NewCond(&w.mu)
	w.Add(adds)
}

// Read implements bk.Ledger. Of an open ledger, entries beyond the known end are looked for once more.
func (r *reader) Read(ctx context.Context, first, last int64, maxBytes int) ([]bk.Entry, error) {
	if r.closed.Load() {
		return nil, fmt.Errorf("ledger %d: %w", r.id, bk.ErrClosed)
	}
	r.mu.Lock()
	md, lac := r.md, r.lac
	r.mu.Unlock()
	if first > lac && md.State != bkwire.Closed {
		next, _, err := r.c.load(ctx, r.id)
		if err != nil {
			return nil, fmt.Errorf("ledger %d: %w", r.id, err)
		}
		r.mu.Lock()
		r.md = next
		r.mu.Unlock()
		if err := r.refresh(ctx); err != nil {
			return nil, fmt.Errorf("ledger %d: %w", r.id, err)
		}
		r.mu.Lock()
		md, lac = r.md, r.lac
		r.mu.Unlock()
	}
	if err := checkRange(r.id, first, last, lac); err != nil {
		return nil, err
	}
	var late []string
	if md.State != bkwire.Closed {
		late = md.LastSegment().Bookies // only its writer knows what they have not got yet
	}
	return r.c.read(ctx, r.id, md, &r.digester, late, first, min(last, lac), maxBytes)
}

// LastConfirmed implements bk.Ledger.
func (r *reader) LastConfirmed() (entry, length int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lac, r.length
}

// Close implements bk.Ledger.
func (r *reader) Close(ctx context.Context) error {
	r.closed.Store(true)
	return nil
}

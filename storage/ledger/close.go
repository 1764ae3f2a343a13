package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
)

// Close implements bk.Ledger (interop §3.5). It waits for the completion of every add, so it must not be called from AddsDone.
func (w *writer) Close(ctx context.Context) error {
	w.mu.Lock()
	for w.closing && !w.closed {
		w.calm.Wait() // another Close is at it
	}
	if w.closed {
		w.mu.Unlock()
		return nil
	}
	w.closing = true
	fenced := errors.Is(w.err, bk.ErrFenced)
	clean := w.lingerLocked()
	w.quietLocked()
	md, version, lac, length := w.md, w.version, w.lac, w.length
	w.mu.Unlock()

	var err error
	if fenced {
		md, err = w.c.awaitClosed(ctx, w.id)
	} else {
		md, _, err = w.c.update(ctx, w.id, md, version, func(md *bkwire.Metadata) (bool, error) {
			switch {
			case md.State == bkwire.Closed:
				return false, nil // somebody recovered it; the end is theirs
			case md.State == bkwire.InRecovery:
				return false, bk.ErrFenced
			}
			md.State, md.Last, md.Length = bkwire.Closed, lac, length
			return true, nil
		})
		if errors.Is(err, bk.ErrFenced) {
			fenced = true
			md, err = w.c.awaitClosed(ctx, w.id)
		}
		if errors.Is(err, bk.ErrNoLedger) {
			md, err = nil, nil // deleted meanwhile: nothing to close
		}
	}

	w.mu.Lock()
	defer w.mu.Unlock()
	w.closing = false
	w.calm.Broadcast()
	if err != nil {
		return fmt.Errorf("close ledger %d: %w", w.id, err)
	}
	w.closed = true
	if md != nil {
		w.md, w.lac, w.length = md, md.Last, md.Length
		if !fenced {
			w.markOwedLocked(clean)
		}
	}
	w.c.forget(w)
	return nil
}

// lingerTime is how long a Close waits for bookies that still owe answers to entries that are confirmed without them.
const lingerTime = 200 * time.Millisecond

// lingerLocked waits, when all is confirmed, for the last copies: whoever reads a closed ledger takes one that is missing for a lack.
// It reports whether all was confirmed.
func (w *writer) lingerLocked() (clean bool) {
	over := false
	t := time.AfterFunc(lingerTime, func() {
		w.mu.Lock()
		over = true
		w.calm.Broadcast()
		w.mu.Unlock()
	})
	defer t.Stop()
	for !over && w.err == nil && w.pending.first == nil && w.owedLocked() {
		w.calm.Wait()
	}
	return w.err == nil && w.pending.first == nil
}

func (w *writer) owedLocked() bool {
	return slices.ContainsFunc(w.members, func(m *member) bool { return !m.failed && m.outstanding > 0 })
}

// markOwedLocked reports the members of a closed ledger that still owe answers: nobody will ask them again. A change whose fate was not
// known may have been found in the metadata; then those that it names were never sent anything. What was not confirmed is owed to nobody.
func (w *writer) markOwedLocked(clean bool) {
	last := w.md.LastSegment()
	for _, m := range w.members {
		switch id := last.Bookies[m.index]; {
		case m.leaving && id != m.id:
			m.until = last.First
			if last.First <= w.lac {
				w.c.marks.add(w.id, id)
			}
		case clean && m.outstanding > 0:
			m.lack(w.lac)
		}
		m.leaving = false
		w.markLocked(m)
	}
}

// quietLocked fails what is pending and waits until owners were told of everything and no ensemble change is under way.
func (w *writer) quietLocked() {
	w.breakLocked(bk.ErrClosed)
	if w.timer != nil {
		w.timer.Stop()
	}
	for w.queued || w.telling || w.changing || w.done.first != nil {
		w.calm.Wait()
	}
}

// abandon is the end of a writer whose client closes: everything is completed, the metadata stays as it is.
func (w *writer) abandon() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.quietLocked()
	w.closed = true
}

// A fenced writer looks at the metadata first after firstPoll, then ever more seldom down to once in lastPoll.
const (
	firstPoll = 2 * time.Millisecond
	lastPoll  = time.Second
)

// awaitClosed waits until whoever recovers the ledger has closed it, at most Options.FencedWait, and returns its final
// metadata.
func (c *Client) awaitClosed(ctx context.Context, id int64) (*bkwire.Metadata, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.FencedWait)
	defer cancel()
	for wait := firstPoll; ; wait = min(2*wait, lastPoll) {
		md, _, err := c.load(ctx, id)
		switch {
		case err == nil && md.State == bkwire.Closed:
			return md, nil
		case errors.Is(err, bk.ErrNoLedger):
			return nil, fmt.Errorf("deleted after it was fenced: %w", bk.ErrFenced)
		case ctx.Err() != nil:
			return nil, fault.LedgerFenced.New("its recovery did not end: %w", fmt.Errorf("%w: %w", bk.ErrFenced, ctx.Err()))
		}
		_ = pause(ctx, wait) // when ctx is done the next round says so
	}
}

package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/quorum"
)

const (
	// recoveryWindow and recoveryBytes bound what a recovery has read and not yet written again.
	recoveryWindow = 256
	recoveryBytes  = 8 << 20
)

// recovery closes a ledger that another writer left (interop §3.6): mark, fence and find the last-add-confirmed, read
// forward, write again what is found, close. Whatever was acknowledged is before the end it finds, and nothing can be
// acknowledged any more.
type recovery struct {
	c       *Client
	id      int64
	d       *bkwire.Digester
	md      *bkwire.Metadata // as marked: forward reads use this one, whatever the rewriting does to the ensemble
	version meta.Version
}

func (c *Client) recover(ctx context.Context, id int64, md *bkwire.Metadata, version meta.Version, d bkwire.Digester) (*bkwire.Metadata, error) {
	defer c.phase("recovery", id)()
	md, version, err := c.update(ctx, id, md, version, func(md *bkwire.Metadata) (bool, error) {
		mark := md.State == bkwire.Open
		md.State = bkwire.InRecovery
		return mark, nil
	})
	if err != nil || md.State == bkwire.Closed {
		return md, err
	}
	r := &recovery{c: c, id: id, d: &d, md: md, version: version}
	md, err = r.run(ctx)
	if errors.Is(err, bk.ErrUnauthorized) {
		return md, fault.LedgerKey.New("ledger %d: %w", id, err)
	}
	if err != nil && !errors.Is(err, bk.ErrTimeout) && ctx.Err() == nil {
		err = fault.LedgerRecovery.New("%w", fmt.Errorf("%w: %w", bk.ErrRecovery, err))
	}
	return md, err
}

func (r *recovery) run(ctx context.Context) (*bkwire.Metadata, error) {
	lac, length, err := r.c.askLAC(ctx, r.id, r.md, r.d, bk.FlagFence)
	if err != nil {
		return nil, err
	}
	w := r.rewriter(lac, length)
	defer w.abandon()
	found, err := r.forward(ctx, w, lac)
	if err != nil {
		return nil, err
	}
	last, length := w.LastConfirmed()
	if last != found {
		return nil, fmt.Errorf("entries up to %d were found, %d written again: %w", found, last, bk.ErrRecovery)
	}
	if found == lac && lac != bk.NoEntry {
		// Nothing was written again, so the length is what some bookie's last entry said, which may be a later one's that
		// does not count, or nothing. The entry itself knows; without it the guess must do (Apache leaves it at that).
		if exact, err := r.c.lengthAt(ctx, r.id, r.md, r.d, lac); err == nil {
			length = exact
		}
	}
	return r.close(ctx, w, last, length)
}

// rewriter is the writer by which the tail is written again: through fences, and with ensemble changes kept in memory.
// Bookies that cannot be reached count as failed from the start.
func (r *recovery) rewriter(lac, length int64) *writer {
	segment := r.md.LastSegment()
	members := make([]*member, len(segment.Bookies))
	for i, id := range segment.Bookies {
		conn, err := r.c.bookies.Conn(id)
		members[i] = r.c.newMember(i, id, conn)
		members[i].failed = err != nil
	}
	w := newWriter(r.c, r.id, r.md, r.version, *r.d, members, lac, length)
	w.recovering = true
	w.flags = bk.FlagRecoveryAdd | bk.FlagHighPriority
	return w
}

// forward reads from behind lac on, one entry after another, and has each written again, until one is provably missing.
// When it returns without error everything found was written.
func (r *recovery) forward(ctx context.Context, w *writer, lac int64) (found int64, err error) {
	t := newTail()
	for entry := lac + 1; ; entry++ {
		h, payload, err := r.readEntry(ctx, entry)
		if errors.Is(err, errMissingEntry) {
			return entry - 1, t.wait(ctx, 0, 0)
		}
		if err != nil {
			return 0, fmt.Errorf("entry %d: %w", entry, err)
		}
		w.setTotal(h.Length - int64(len(payload.B)))
		if entry == lac+1 {
			w.startChangeIfFailed()
		}
		t.add(w, payload)
		if err := t.wait(ctx, recoveryWindow, recoveryBytes); err != nil {
			return 0, err
		}
	}
}

var errMissingEntry = errors.New("provably never acknowledged")

// readEntry reads an entry from its write set, fencing every bookie that is asked, or proves that it is missing.
func (r *recovery) readEntry(ctx context.Context, entry int64) (bkwire.Header, bk.Buf, error) {
	segment, _, _ := r.md.SegmentOf(entry)
	read := bk.BookieRead{Ledger: r.id, First: entry, Last: entry, Flags: bk.FlagFence | bk.FlagHighPriority, MasterKey: bkwire.MasterKey(r.md.Password)}
	negatives := 0
	var header bkwire.Header
	var stored bk.Buf
	found := false
	var ended, failed error
	order := quorum.WriteSet(nil, entry, r.md.Quorum)
	r.c.slowLast(order, segment.Bookies)
	r.c.inTurn(order, segment.Bookies, func(i int, limit time.Duration) error {
		h, payload, err := r.c.readStored(ctx, segment.Bookies[i], r.d, read, limit)
		switch {
		case err == nil:
			header, stored, found = h, payload, true
			return nil
		case absent(err):
			if negatives++; quorum.Missing(negatives, r.md.Quorum) {
				ended = errMissingEntry
				return nil
			}
		case errors.Is(err, bk.ErrUnauthorized):
			ended = err
			return nil
		default:
			failed = fmt.Errorf("bookie %s: %w", segment.Bookies[i], err)
		}
		if ended = ctx.Err(); ended != nil {
			return nil
		}
		return err
	})
	switch {
	case found:
		return header, stored, nil
	case ended != nil:
		return bkwire.Header{}, bk.Buf{}, ended
	case failed == nil:
		failed = bk.ErrNoEntry // never: every bookie said so, which is proof
	}
	return bkwire.Header{}, bk.Buf{}, failed
}

// close ends the recovery in the metadata, if nobody else did: the first to close wins.
func (r *recovery) close(ctx context.Context, w *writer, last, length int64) (*bkwire.Metadata, error) {
	w.mu.Lock()
	w.quietLocked()
	changed := w.md.Segments
	w.mu.Unlock()
	md, _, err := r.c.update(ctx, r.id, r.md, r.version, func(md *bkwire.Metadata) (bool, error) {
		switch md.State {
		case bkwire.Closed:
			return false, nil
		case bkwire.Open:
			return false, fmt.Errorf("the ledger is open again: %w", bk.ErrRecovery)
		}
		first := r.md.LastSegment().First
		for _, s := range changed {
			if s.First >= first && !md.SetEnsemble(s.First, s.Bookies) {
				return false, fmt.Errorf("a segment at entry %d before the last: %w", s.First, bk.ErrRecovery)
			}
		}
		md.State, md.Last, md.Length = bkwire.Closed, last, length
		return true, nil
	})
	return md, err
}

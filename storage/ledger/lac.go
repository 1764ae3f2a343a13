package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/quorum"
)

// codeOf is the result code in err's chain; bk.ErrIO for an error that has none.
func codeOf(err error) bk.Code {
	var c bk.Code
	switch {
	case errors.As(err, &c):
		return c
	case errors.Is(err, context.DeadlineExceeded):
		return bk.ErrTimeout
	}
	return bk.ErrIO
}

// lastEntry is what one bookie answers to a read of its last entry.
type lastEntry struct {
	index  int
	lac    int64
	length int64 // payload bytes up to lac, or up to a later entry
	code   bk.Code
}

// askLAC asks every bookie of the last segment for its last entry, with the given flags, until the answers cover the
// ensemble. It returns the greatest last-add-confirmed told (at least the entry before the segment) and the length told with
// it, which may be that of a later entry or nothing at all: see lengthAt. With bk.FlagFence the bookies that answered are fenced
// (interop §3.6, step 2).
func (c *Client) askLAC(ctx context.Context, id int64, md *bkwire.Metadata, d *bkwire.Digester, flags bk.Flags) (lac, length int64, err error) {
	segment := md.LastSegment()
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan lastEntry, len(segment.Bookies)) // room for all: nobody waits for us
	key := bkwire.MasterKey(md.Password)
	for i, bookie := range segment.Bookies {
		if !c.start(func() { answers <- c.askBookie(asking, i, bookie, d, id, flags, key) }) {
			return 0, 0, bk.ErrClosed
		}
	}
	f := quorum.NewFencing(md.Quorum)
	for {
		a := <-answers
		if a.code == bk.OK {
			f.Entry(a.index, a.lac, a.length)
		} else {
			f.Failed(a.index, a.code)
		}
		done, err := f.Done()
		if done {
			if err != nil && ctx.Err() != nil {
				err = ctx.Err()
			}
			if err != nil {
				return 0, 0, fmt.Errorf("last entry of %v: %w", segment.Bookies, err)
			}
			lac, length = f.LAC(segment.First - 1)
			return lac, length, nil
		}
	}
}

func (c *Client) askBookie(ctx context.Context, index int, bookie string, d *bkwire.Digester, ledger int64, flags bk.Flags, key [20]byte) lastEntry {
	a := lastEntry{index: index}
	conn, err := c.bookies.Conn(bookie)
	if err != nil {
		a.code = codeOf(err)
		return a
	}
	ctx, cancel := context.WithTimeout(ctx, c.o.ReadTimeout)
	defer cancel()
	entries, err := conn.Read(ctx, bk.BookieRead{Ledger: ledger, First: bk.NoEntry, Last: bk.NoEntry, Flags: flags, MasterKey: key})
	switch {
	case err != nil:
		a.code = codeOf(err)
	case len(entries) == 0:
		a.code = bk.ErrNoEntry
	default:
		h, payload, err := d.Verify(ledger, bk.NoEntry, entries[0].Payload.B)
		if err != nil {
			a.code = bk.ErrDigest // an answer with a broken digest covers nothing
		}
		a.lac, a.length = h.LAC, h.Length
		if h.Entry == h.LAC+1 {
			a.length -= int64(len(payload))
		}
		release(entries)
	}
	return a
}

// lengthAt is the ledger's payload bytes up to an entry, read from the entry's own header.
func (c *Client) lengthAt(ctx context.Context, id int64, md *bkwire.Metadata, d *bkwire.Digester, entry int64) (int64, error) {
	segment, _, ok := md.SegmentOf(entry)
	if !ok {
		return 0, bk.ErrNoEntry
	}
	var failed error
	length := int64(-1)
	order := quorum.WriteSet(nil, entry, md.Quorum)
	c.slowLast(order, segment.Bookies)
	c.inTurn(order, segment.Bookies, func(i int, limit time.Duration) error {
		h, payload, err := c.readStored(ctx, segment.Bookies[i], d, bk.BookieRead{Ledger: id, First: entry, Last: entry}, limit)
		switch {
		case err == nil:
			payload.Release()
			length = h.Length
		case ctx.Err() != nil:
			failed = ctx.Err()
			return nil
		case failed == nil || absent(failed):
			failed = err
		}
		return err
	})
	if length >= 0 {
		return length, nil
	}
	return 0, failed
}

// readStored reads one entry from one bookie with its header, within limit. The payload is the caller's to release.
func (c *Client) readStored(ctx context.Context, bookie string, d *bkwire.Digester, r bk.BookieRead, limit time.Duration) (bkwire.Header, bk.Buf, error) {
	conn, err := c.bookies.Conn(bookie)
	if err != nil {
		return bkwire.Header{}, bk.Buf{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	entries, err := conn.Read(ctx, r)
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", bk.ErrTimeout, err)
		}
		return bkwire.Header{}, bk.Buf{}, err
	}
	if len(entries) == 0 {
		return bkwire.Header{}, bk.Buf{}, bk.ErrNoEntry
	}
	release(entries[1:])
	stored := entries[0].Payload
	h, payload, err := d.Verify(r.Ledger, r.First, stored.B)
	if err != nil {
		stored.Release()
		return bkwire.Header{}, bk.Buf{}, err
	}
	return h, stored.Slice(len(stored.B)-len(payload), len(stored.B)), nil
}

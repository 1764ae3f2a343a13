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
	"github.com/strobemq/strobe/storage/quorum"
)

// checkRange tells whether first to last may be read of a ledger that is confirmed up to lac.
func checkRange(ledger, first, last, lac int64) error {
	switch {
	case first < 0 || last < first:
		return fmt.Errorf("ledger %d entries %d to %d: %w", ledger, first, last, bk.ErrBadRequest)
	case first > lac:
		return fmt.Errorf("ledger %d entry %d: %w", ledger, first, bk.ErrNoEntry)
	}
	return nil
}

// read returns confirmed entries from the first replica that has first: as many up to last as that bookie holds in a row
// and maxBytes allows (counted as stored, header included). A replica that has the entry damaged, or lacks it, is reported
// for repair when another one has it; not so one that lacks it and is among late, the bookies to which confirmed entries may
// still be on their way: a confirmed entry is on its ack quorum, and the others have it when their queues let it in.
func (c *Client) read(ctx context.Context, id int64, md *bkwire.Metadata, d *bkwire.Digester, late []string, first, last int64, maxBytes int) ([]bk.Entry, error) {
	segment, next, ok := md.SegmentOf(first)
	if !ok {
		return nil, fmt.Errorf("ledger %d entry %d: no segment: %w", id, first, bk.ErrNoEntry)
	}
	last = min(last, next-1)
	var failed error
	var room [usualWriteQuorum]int
	var broken []string
	var entries []bk.Entry
	tries := 0
	c.inTurn(c.readOrder(room[:0], id, first, md.Quorum, segment.Bookies), segment.Bookies, func(i int, limit time.Duration) error {
		if tries++; tries == 2 {
			c.metrics.fallbacks.Add(1)
		}
		bookie := segment.Bookies[i]
		run := quorum.Run(i, first, md.Quorum, last-first+1)
		var err error
		entries, err = c.readReplica(ctx, bookie, d, bk.BookieRead{Ledger: id, First: first, Last: first + run - 1, MaxBytes: maxBytes}, limit)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, bk.ErrDigest) || errors.Is(err, bk.ErrIO) || absent(err) && !slices.Contains(late, bookie) {
			broken = append(broken, bookie)
		}
		if failed == nil || absent(failed) {
			failed = fmt.Errorf("bookie %s: %w", bookie, err)
		}
		return err
	})
	if entries != nil {
		for _, b := range broken {
			c.marks.add(id, b)
		}
		return entries, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if absent(failed) {
		// Confirmed and nowhere: that is damage. bk.ErrNoEntry would say "not written yet".
		failed = fault.LedgerEntryLost.New("ledger %d entry %d: no bookie of %v has it: %w", id, first, segment.Bookies, bk.ErrIO)
	}
	return nil, fmt.Errorf("ledger %d entry %d: %w", id, first, failed)
}

// usualWriteQuorum is the write quorum up to which a read allocates nothing for its order.
const usualWriteQuorum = 3

func absent(err error) bool { return errors.Is(err, bk.ErrNoEntry) || errors.Is(err, bk.ErrNoLedger) }

// readOrder appends the ensemble indexes that hold an entry, in the order in which to ask. Where all bookies hold all
// entries a ledger stays with one of them, others take other ledgers; where entries are striped, the one that holds most
// of what follows comes first. Bookies in quarantine come last.
func (c *Client) readOrder(dst []int, ledger, entry int64, q bk.Quorum, bookies []string) []int {
	if q.Write == q.Ensemble {
		dst = quorum.WriteSet(dst, ledger, q)
	} else {
		dst = quorum.WriteSet(dst, entry, q)
		slices.Reverse(dst)
	}
	c.slowLast(dst, bookies)
	return dst
}

// readReplica reads from one bookie and verifies what comes within limit: the entries up to the first that is broken, at least one.
func (c *Client) readReplica(ctx context.Context, bookie string, d *bkwire.Digester, r bk.BookieRead, limit time.Duration) ([]bk.Entry, error) {
	conn, err := c.bookies.Conn(bookie)
	if err != nil {
		return nil, err
	}
	timed, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	entries, err := conn.Read(timed, r)
	if err != nil {
		if timed.Err() != nil && ctx.Err() == nil {
			return nil, bk.ErrTimeout
		}
		return nil, err
	}
	for n := range entries {
		e := &entries[n]
		_, payload, err := d.Verify(r.Ledger, r.First+int64(n), e.Payload.B)
		if err != nil {
			release(entries[n:])
			if n == 0 {
				return nil, err
			}
			return entries[:n], nil
		}
		e.Ledger, e.Entry = r.Ledger, r.First+int64(n)
		size := len(e.Payload.B)
		e.Payload = e.Payload.Slice(size-len(payload), size)
	}
	if len(entries) == 0 {
		return nil, bk.ErrNoEntry
	}
	return entries, nil
}

func release(entries []bk.Entry) {
	for _, e := range entries {
		e.Payload.Release()
	}
}

package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
)

// unknownPause is how long to wait after a lost answer before asking again.
const unknownPause = 20 * time.Millisecond

// load reads a ledger's metadata.
func (c *Client) load(ctx context.Context, id int64) (*bkwire.Metadata, meta.Version, error) {
	v, err := c.meta.Get(ctx, bkwire.LedgerPath(id))
	if err != nil {
		return nil, 0, metaError(err)
	}
	md, err := bkwire.DecodeMetadata(v.Data)
	if err != nil {
		return nil, 0, unreadable(id, err)
	}
	return md, v.Version, nil
}

// unreadable is the fault of metadata that does not decode.
func unreadable(id int64, err error) error {
	if errors.Is(err, bkwire.ErrNewer) {
		return fault.LedgerFormat.New("ledger %d: %w", id, err)
	}
	return fault.LedgerMetadata.New("ledger %d: %w", id, err)
}

// metaError puts the code that callers look for into an error of the metadata store.
func metaError(err error) error {
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return bk.ErrNoLedger
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return fmt.Errorf("%w: %w", bk.ErrMetadata, err)
}

// update changes a ledger's metadata by compare-and-set. change is given a copy of the current metadata, from md and version
// on, as often as it takes; it returns false when there is nothing to write, which ends the update with what is there. A
// lost answer is no answer: the metadata is read again, and our own change found there is success.
func (c *Client) update(ctx context.Context, id int64, md *bkwire.Metadata, version meta.Version, change func(*bkwire.Metadata) (bool, error)) (*bkwire.Metadata, meta.Version, error) {
	for {
		next := md.Clone()
		write, err := change(next)
		if err != nil {
			return nil, 0, err
		}
		if !write {
			return md, version, nil
		}
		data := next.Append(nil)
		v, err := c.meta.Put(ctx, bkwire.LedgerPath(id), data, version)
		switch {
		case err == nil:
			return next, v, nil
		case errors.Is(err, meta.ErrUnknown):
			if err := pause(ctx, unknownPause); err != nil {
				return nil, 0, err
			}
		case !errors.Is(err, meta.ErrConflict):
			return nil, 0, metaError(err)
		}
		if md, version, err = c.load(ctx, id); err != nil {
			return nil, 0, err
		}
		if bytes.Equal(md.Append(nil), data) {
			return md, version, nil
		}
	}
}

// createMetadata makes the node of a new ledger under a new id.
func (c *Client) createMetadata(ctx context.Context, md *bkwire.Metadata) (int64, meta.Version, error) {
	data := md.Append(nil)
	for {
		id, err := c.ids.next(ctx, c.meta)
		if err != nil {
			return 0, 0, metaError(err)
		}
		version, ok, err := c.createNode(ctx, id, data)
		if err != nil || ok {
			return id, version, err
		}
	}
}

// createNode makes the node if it does not exist; it reports false when somebody else's is there. Ours is known by its
// token.
func (c *Client) createNode(ctx context.Context, id int64, data []byte) (meta.Version, bool, error) {
	path := bkwire.LedgerPath(id)
	for {
		version, err := c.meta.Put(ctx, path, data, meta.Absent)
		switch {
		case err == nil:
			return version, true, nil
		case errors.Is(err, meta.ErrUnknown):
			if err := pause(ctx, unknownPause); err != nil {
				return 0, false, err
			}
		case errors.Is(err, meta.ErrConflict):
			v, err := c.meta.Get(ctx, path)
			if err != nil && !errors.Is(err, meta.ErrNotFound) {
				return 0, false, metaError(err)
			}
			return v.Version, err == nil && bytes.Equal(v.Data, data), nil
		default:
			return 0, false, metaError(err)
		}
	}
}

// deleteMetadata removes the node of a ledger, and its mark.
func (c *Client) deleteMetadata(ctx context.Context, id int64) error {
	for {
		err := c.meta.Delete(ctx, bkwire.LedgerPath(id), meta.Any)
		if errors.Is(err, meta.ErrUnknown) {
			if err := pause(ctx, unknownPause); err != nil {
				return err
			}
			continue // deleting twice does no harm
		}
		if err != nil && !errors.Is(err, meta.ErrNotFound) {
			return metaError(err)
		}
		break
	}
	c.marks.remove(ctx, id)
	return nil
}

// pause waits, at most as long as ctx.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

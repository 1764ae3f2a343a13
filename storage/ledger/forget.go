package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
)

// Forget takes a bookie out of the metadata: its cookie, and what else is known of it. A bookie that was forgotten cannot start with its volume
// again. It is refused while the bookie is registered (fault.BookieAlive) and, unless force is set, while ledgers name it
// (fault.BookieNamed); ledgers go on naming one that was forgotten, are marked as under-replicated, and are read from their other copies. fault.BookieNotFound when nothing is
// known of it. It is what Apache's `cookie_delete` does, with those two questions asked first.
func (c *Catalog) Forget(ctx context.Context, id string, force bool) (bk.BookieForgotten, error) {
	var f bk.BookieForgotten
	if !bkwire.ValidBookieID(id) {
		return f, fault.BookieNotFound.New("%.300q", id)
	}
	cookie, err := c.meta.Get(ctx, bkwire.CookiePath(id))
	known := err == nil
	if err != nil && !errors.Is(err, meta.ErrNotFound) {
		return f, metaError(err)
	}
	if err := c.gone(ctx, id); err != nil {
		return f, err
	}
	var named []int64
	if f, named, err = c.naming(ctx, id); err != nil {
		return f, err
	}
	if !force && f.Ledgers+f.Unread > 0 {
		return f, refuseNamed(id, f, named)
	}
	for _, l := range named {
		if err := c.markMissing(ctx, l, id); err != nil {
			return f, err
		}
	}
	if known {
		if err := c.dropCookie(ctx, id, cookie); err != nil {
			return f, err
		}
	}
	for _, key := range []string{bkwire.AddressPath(id), bkwire.WatermarkPath(id)} {
		switch err := c.meta.Delete(ctx, key, meta.Any); {
		case err == nil:
			known = true
		case !errors.Is(err, meta.ErrNotFound):
			return f, metaError(err)
		}
	}
	if !known {
		return f, fault.BookieNotFound.New("%s", id)
	}
	return f, nil
}

// gone makes sure that a bookie is not registered.
func (c *Catalog) gone(ctx context.Context, id string) error {
	for _, dir := range []string{bkwire.AvailablePath, bkwire.ReadOnlyPath} {
		switch _, err := c.meta.Get(ctx, dir+"/"+id); {
		case err == nil:
			return fault.BookieAlive.New("%s", dir+"/"+id)
		case !errors.Is(err, meta.ErrNotFound):
			return metaError(err)
		}
	}
	return nil
}

// firstNamed is how many ledgers a refusal names.
const firstNamed = 10

// naming counts the ledgers that name a bookie, and returns their ids.
func (c *Catalog) naming(ctx context.Context, id string) (f bk.BookieForgotten, ledgers []int64, err error) {
	bookies, err := c.Bookies(ctx)
	if err != nil {
		return f, nil, err
	}
	here := map[string]bool{}
	for _, b := range bookies {
		here[b.ID] = b.State != bk.BookieDown
	}
	err = c.Ledgers(ctx, 0, func(l bk.LedgerInfo) (bool, error) {
		if l.Damaged != "" && len(l.Segments) == 0 {
			f.Unread++
			return true, nil
		}
		named, last := false, false
		for _, s := range l.Segments {
			if !slices.Contains(s.Bookies, id) {
				continue
			}
			named = true
			away := 0
			for _, b := range s.Bookies {
				if !here[b] {
					away++
				}
			}
			last = last || away >= l.Quorum.Write
		}
		if named {
			f.Ledgers++
			ledgers = append(ledgers, l.ID)
		}
		if last {
			f.LastCopy++
		}
		return true, nil
	})
	return f, ledgers, err
}

// markMissing notes that a ledger lacks what lay on a bookie. A ledger that was deleted meanwhile keeps no mark.
func (c *Catalog) markMissing(ctx context.Context, ledger int64, bookie string) error {
	path := bkwire.UnderreplicationPath(ledger)
	for {
		u, expect := bkwire.Underreplication{CTime: time.Now().UnixMilli()}, meta.Absent
		v, err := c.meta.Get(ctx, path)
		switch {
		case err == nil:
			expect = v.Version
			if u, err = bkwire.DecodeUnderreplication(v.Data); err != nil {
				return fault.LedgerMetadata.New("%s: %w", path, err)
			}
		case !errors.Is(err, meta.ErrNotFound):
			return metaError(err)
		}
		if !u.Merge(bookie) {
			return nil
		}
		_, err = c.meta.Put(ctx, path, u.Append(nil), expect)
		switch {
		case err == nil:
		case errors.Is(err, meta.ErrUnknown), errors.Is(err, meta.ErrConflict):
			if err := pause(ctx, unknownPause); err != nil {
				return err
			}
			continue
		default:
			return metaError(err)
		}
		if _, err := c.meta.Get(ctx, bkwire.LedgerPath(ledger)); errors.Is(err, meta.ErrNotFound) {
			if err := c.meta.Delete(ctx, path, meta.Any); err != nil && !errors.Is(err, meta.ErrNotFound) {
				return metaError(err)
			}
		}
		return nil
	}
}

func refuseNamed(id string, f bk.BookieForgotten, ledgers []int64) error {
	detail, part := fmt.Sprintf("%d ledgers name %s", f.Ledgers, id), ": "
	for _, l := range ledgers[:min(len(ledgers), firstNamed)] {
		detail += part + strconv.FormatInt(l, 10)
		part = ", "
	}
	if f.Ledgers > firstNamed {
		detail += ", …"
	}
	if f.LastCopy > 0 {
		detail += fmt.Sprintf("; of %d of them it may have the last copy, as too many of their other bookies are not registered either", f.LastCopy)
	}
	if f.Unread > 0 {
		detail += fmt.Sprintf("; the metadata of %d more cannot be read", f.Unread)
	}
	return fault.BookieNamed.New("%s", detail)
}

// dropCookie removes a cookie as it was read. A bookie that started meanwhile gets it back.
func (c *Catalog) dropCookie(ctx context.Context, id string, cookie meta.Value) error {
	key := bkwire.CookiePath(id)
	for {
		err := c.meta.Delete(ctx, key, cookie.Version)
		if errors.Is(err, meta.ErrUnknown) {
			if err := pause(ctx, unknownPause); err != nil {
				return err
			}
			continue
		}
		if err != nil && !errors.Is(err, meta.ErrNotFound) {
			return metaError(err)
		}
		break
	}
	alive := c.gone(ctx, id)
	if fault.Has(alive, fault.BookieAlive) {
		if _, err := c.meta.Put(ctx, key, cookie.Data, meta.Absent); err != nil && !errors.Is(err, meta.ErrConflict) {
			return fmt.Errorf("%w; its cookie could not be written back: %w", alive, err)
		}
	}
	return alive
}

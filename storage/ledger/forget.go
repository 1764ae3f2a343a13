package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
)

// Forget takes a bookie out of the metadata: its cookie, and what else is known of it. A bookie that was forgotten cannot start with its volume
// again. It is refused while the bookie is registered (fault.BookieAlive) and, unless force is set, while ledgers name it
// (fault.BookieNamed); ledgers go on naming one that was forgotten, and are read from their other copies. fault.BookieNotFound when nothing is
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
	var first []string
	if f, first, err = c.naming(ctx, id); err != nil {
		return f, err
	}
	if !force && f.Ledgers+f.Unread > 0 {
		return f, refuseNamed(id, f, first)
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

// naming counts the ledgers that name a bookie, and returns the ids of the first ones.
func (c *Catalog) naming(ctx context.Context, id string) (f bk.BookieForgotten, first []string, err error) {
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
			if len(first) < firstNamed {
				first = append(first, fmt.Sprint(l.ID))
			}
		}
		if last {
			f.LastCopy++
		}
		return true, nil
	})
	return f, first, err
}

func refuseNamed(id string, f bk.BookieForgotten, first []string) error {
	detail := fmt.Sprintf("%d ledgers name %s", f.Ledgers, id)
	if f.Ledgers > 0 {
		detail += ": " + strings.Join(first, ", ")
	}
	if f.Ledgers > len(first) {
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

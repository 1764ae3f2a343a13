package bookie

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
)

// identity is where the volume's cookie is kept.
type identity interface {
	stamp(bkwire.Cookie) error
}

// join gives the bookie its place in the cluster: cookies are compared or stamped, the bookie is registered, and the
// collector starts. onVolume is the volume's cookie, nil for a new volume.
func (b *Bookie) join(ctx context.Context, v identity, onVolume *bkwire.Cookie, o Options) error {
	cookie, err := b.identify(ctx, v, onVolume, o.Meta)
	if err != nil {
		return err
	}
	if err := b.register(ctx, o.Meta, o.ServiceInfo); err != nil {
		return err
	}
	if address, ok := o.ServiceInfo.RPCAddress(""); ok {
		b.settle(ctx, o.Meta, address, onVolume == nil)
	}
	b.collect(o.Meta, cookie, o.GCInterval)
	return nil
}

// identify makes sure that this volume is the one that the cluster knows by the bookie's id. It is the only guard against
// serving another volume's absence as truth, and against collecting all ledgers because of an empty metadata store.
func (b *Bookie) identify(ctx context.Context, v identity, onVolume *bkwire.Cookie, store meta.Store) (bkwire.Cookie, error) {
	instance, inMeta, err := readCookie(ctx, store, b.id)
	if err != nil {
		return bkwire.Cookie{}, err
	}
	empty := true
	b.store.Ledgers(func(int64) bool { empty = false; return false })
	stampVolume, stampMeta, err := checkCookies(b.id, onVolume, inMeta, instance, empty)
	if err != nil {
		return bkwire.Cookie{}, err
	}
	cookie := bkwire.Cookie{BookieID: b.id, JournalDir: volumeLog, LedgerDirs: []string{volumeLog}, InstanceID: instance}
	if onVolume != nil {
		cookie = *onVolume
	}
	// The volume first: a cookie in the metadata without a volume would be a bookie that nobody can ever start.
	if stampVolume {
		if err := v.stamp(cookie); err != nil {
			return bkwire.Cookie{}, err
		}
	}
	if stampMeta {
		_, err := store.Put(ctx, bkwire.CookiePath(b.id), cookie.Append(nil), meta.Absent)
		if errors.Is(err, meta.ErrUnknown) || errors.Is(err, meta.ErrConflict) {
			// Ours, if it is there and says the same.
			if _, inMeta, err = readCookie(ctx, store, b.id); err == nil && (inMeta == nil || !sameCookie(&cookie, inMeta)) {
				err = fault.BookieCookie.New("the cookie of %s was not taken by the metadata store; start again", b.id)
			}
		}
		if err != nil {
			return bkwire.Cookie{}, fmt.Errorf("cookie of bookie %s: %w", b.id, err)
		}
	}
	return cookie, nil
}

// readCookie reads the cluster's instance id (empty: none) and the bookie's cookie (nil: none) from the metadata.
func readCookie(ctx context.Context, store meta.Store, id string) (instance string, c *bkwire.Cookie, err error) {
	v, err := store.Get(ctx, bkwire.InstancePath)
	if err != nil && !errors.Is(err, meta.ErrNotFound) {
		return "", nil, fmt.Errorf("instance id: %w", err)
	}
	instance = string(v.Data)
	v, err = store.Get(ctx, bkwire.CookiePath(id))
	if errors.Is(err, meta.ErrNotFound) {
		return instance, nil, nil
	}
	if err != nil {
		return "", nil, fmt.Errorf("cookie of bookie %s: %w", id, err)
	}
	cookie, err := bkwire.DecodeCookie(v.Data)
	switch {
	case errors.Is(err, bkwire.ErrNewer):
		return "", nil, fault.BookieFormat.New("%s: %w", bkwire.CookiePath(id), err)
	case err != nil:
		return "", nil, fault.BookieCookie.New("%s: %w", bkwire.CookiePath(id), err)
	}
	return instance, &cookie, nil
}

// checkCookies decides whether a bookie may start, and which cookies it has to stamp first. empty: the volume holds no
// ledgers.
func checkCookies(id string, onVolume, inMeta *bkwire.Cookie, instance string, empty bool) (stampVolume, stampMeta bool, err error) {
	switch {
	case instance == "":
		return false, false, fault.BookieNoCluster.New("no value under %s", bkwire.InstancePath)
	case onVolume == nil && !empty:
		return false, false, fault.BookieCookie.New("the volume holds ledgers but no cookie")
	case onVolume == nil && inMeta != nil:
		return false, false, fault.BookieCookie.New("the metadata knows bookie %s, the volume is new", id)
	case onVolume == nil:
		return true, true, nil
	case onVolume.InstanceID != instance:
		return false, false, fault.BookieForeign.New("the volume belongs to cluster %s, the metadata is that of %s", onVolume.InstanceID, instance)
	case inMeta == nil && !empty:
		return false, false, fault.BookieCookie.New("the metadata does not know bookie %s, whose volume holds ledgers", id)
	case inMeta == nil:
		return false, true, nil // the first start ended between the two
	case !sameCookie(onVolume, inMeta):
		return false, false, fault.BookieCookie.New("the volume says %+v, the metadata %+v", *onVolume, *inMeta)
	}
	return false, false, nil
}

func sameCookie(a, b *bkwire.Cookie) bool {
	return a.BookieID == b.BookieID && a.JournalDir == b.JournalDir && slices.Equal(a.LedgerDirs, b.LedgerDirs) &&
		a.InstanceID == b.InstanceID && slices.Equal(a.IndexDirs, b.IndexDirs)
}

package bookie

import (
	"context"
	"errors"
	"strings"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
)

// settle notes where the bookie is, so that it can be told where it was when it is gone, and says whom a new one seems to have replaced:
// ids are born with volumes, and nothing but the address connects an emptied volume with the bookie that lived on it. None of this decides
// anything; what goes wrong is logged.
func (b *Bookie) settle(ctx context.Context, store meta.Store, address string, newborn bool) {
	if newborn {
		b.log.Info("a new bookie was born on an empty volume", "address", address)
		lost, err := lostAt(ctx, store, address, b.id)
		if err != nil {
			b.log.Warn("who was at this address before is not known", "error", err)
		}
		for _, id := range lost {
			b.log.Warn("a bookie is lost", "error", fault.BookieReplaced.New("bookie %s was at %s, this one is %s", id, address, b.id))
		}
	}
	key := bkwire.AddressPath(b.id)
	was, err := store.Get(ctx, key)
	if err == nil && lastAddress(was.Data) == address {
		return
	}
	if err == nil || errors.Is(err, meta.ErrNotFound) {
		_, err = store.Put(ctx, key, []byte(address+"\n"), meta.Any)
	}
	if err != nil {
		b.log.Warn("the bookie's address is not noted", "error", err)
	}
}

// lostAt is the bookies that were registered last at an address, but for self. One that seems to be registered there still has only not been
// forgotten by the metadata: this process has the address now.
func lostAt(ctx context.Context, store meta.Store, address, self string) (lost []string, err error) {
	ids, err := store.List(ctx, bkwire.CookiesPath)
	for _, id := range ids {
		if id == self || !bkwire.ValidBookieID(id) {
			continue
		}
		v, err := store.Get(ctx, bkwire.AddressPath(id))
		if errors.Is(err, meta.ErrNotFound) || err == nil && lastAddress(v.Data) != address {
			continue
		}
		if err != nil {
			return lost, err
		}
		lost = append(lost, id)
	}
	return lost, err
}

// lastAddress is the address in a value under bkwire.AddressPath.
func lastAddress(value []byte) string { return strings.TrimSpace(string(value)) }

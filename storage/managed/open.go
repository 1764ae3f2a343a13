package managed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/meta"
)

func damagedNode(path string, err error) error {
	return fault.ManagedNode.New("%s: %w", path, err)
}

// load reads the node and brings what a former owner left to an end (interop §7.4). The list is written when that changed it, so
// that a former owner that was about to add a ledger loses the race.
func (m *Manager) load(ctx context.Context, name string, cfg Config, create bool) (*Ledger, error) {
	path := ledgerPath(name)
	v, err := m.meta.Get(ctx, path)
	if errors.Is(err, meta.ErrNotFound) {
		if !create {
			return nil, ErrNotFound
		}
		v.Version, err = m.swap(ctx, path, nil, meta.Absent)
		if errors.Is(err, meta.ErrConflict) {
			v, err = m.meta.Get(ctx, path)
		}
	}
	if err != nil {
		return nil, err
	}
	info, err := decodeLedgerInfo(v.Data)
	if err != nil {
		return nil, damagedNode(path, err)
	}
	l := &Ledger{
		m: m, name: name, log: m.log.With("ledger", name), ctl: newCtlLock(), version: v.Version, rest: info.rest,
		cfg: cfg, props: info.properties, terminated: info.terminated, readers: map[int64]*reader{},
		cursors: map[string]*Cursor{}, loose: map[*Cursor]struct{}{},
	}
	if err := l.settle(ctx, info.links); err != nil {
		return nil, err
	}
	if l.terminated != nil {
		l.dead = ErrTerminated
	}
	if err := l.loadCursors(ctx); err != nil {
		return nil, err
	}
	l.trimSoon()
	return l, nil
}

// settle builds the chain from the node's list. The last ledger is recovered unless its owner recorded that it was closed; empty
// ledgers are dropped.
func (l *Ledger) settle(ctx context.Context, links []link) error {
	now := time.Now().UnixMilli()
	var empty []int64
	changed := false
	for i, k := range links {
		last := i == len(links)-1
		if last && (k.timestamp == 0 || k.entries == 0) {
			changed = true
			r, err := l.m.ledgers.Open(ctx, k.ledger, true)
			switch {
			case errors.Is(err, bk.ErrNoLedger):
				continue
			case err != nil:
				return fmt.Errorf("recover ledger %d: %w", k.ledger, err)
			}
			entry, length := r.LastConfirmed()
			k.entries, k.size, k.timestamp = entry+1, length, now
			l.readers[k.ledger] = &reader{ledger: r}
		}
		if k.entries == 0 {
			changed = true
			empty = append(empty, k.ledger)
			continue
		}
		if k.timestamp < plausible {
			k.timestamp = now
		}
		l.chain.push(k)
	}
	l.lac = l.chain.last()
	if !changed {
		return nil
	}
	if err := l.save(ctx, nil); err != nil {
		return err
	}
	for _, id := range empty {
		l.dropReader(id)
		if err := l.m.ledgers.Delete(ctx, id); err != nil {
			l.log.Warn("empty ledger not deleted", "id", id, "err", err)
		}
	}
	return nil
}

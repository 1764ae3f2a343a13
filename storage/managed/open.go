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
	if errors.Is(err, errNewer) {
		return fault.ManagedFormat.New("%s: %w", path, err)
	}
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
		node := slot{version: meta.Absent}
		err = node.write(ctx, m, path, nil)
		v.Version = node.version
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
		m: m, name: name, node: slot{version: v.Version}, rest: info.rest, cfg: m.share(cfg), props: info.properties,
		terminated: info.terminated,
	}
	l.ctl.await() // nothing is trimmed before all cursors are known
	defer l.ctl.unlock()
	if l.terminated != nil {
		l.dead = ErrTerminated
	}
	err = l.settle(ctx, info.links)
	if err == nil {
		err = l.loadCursors(ctx)
	}
	l.mu.Lock()
	if err != nil {
		l.dead = ErrClosed
	}
	l.trimSoonLocked()
	l.mu.Unlock()
	if err != nil {
		l.free(ctx)
		return nil, err
	}
	return l, nil
}

// settle builds the chain from the node's list. A ledger whose end its owner did not record is recovered (the last one, as a rule);
// empty ledgers are dropped.
func (l *Ledger) settle(ctx context.Context, links []link) error {
	now := time.Now().UnixMilli()
	changed := false
	for _, k := range links {
		if k.timestamp == 0 || k.entries == 0 {
			changed = true
			r, err := l.m.ledgers.Open(ctx, k.ledger, true)
			if errors.Is(err, bk.ErrNoLedger) {
				continue
			}
			if err != nil {
				return fmt.Errorf("recover ledger %d: %w", k.ledger, err)
			}
			entry, length := r.LastConfirmed()
			k.entries, k.size, k.timestamp = entry+1, length, now
			l.keepReaderLocked(k.ledger, r)
		}
		if k.timestamp < plausible {
			k.timestamp = now
		}
		if k.entries == 0 {
			changed = true
			l.doomed = append(l.doomed, k.ledger)
			continue
		}
		l.chain.push(k)
	}
	l.lac = l.chain.last()
	if !changed {
		return nil
	}
	return l.save(ctx, nil)
}

package segment

import (
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// deletes takes deleted ledgers out of the table and their records off the living bytes of their segments.
func (k *keeper) deletes() error {
	l := k.log
	l.deleteMu.Lock()
	ids := l.deleted
	l.deleted = nil
	l.deleteMu.Unlock()
	if len(ids) == 0 || !l.table.ready() {
		return nil
	}
	// A deletion may come twice, and what dies counts once.
	slices.Sort(ids)
	ids = slices.Compact(ids)
	for len(ids) > 0 {
		n := min(len(ids), 1000)
		if err := k.deleteSome(ids[:n]); err != nil {
			l.deleteMu.Lock()
			l.deleted = append(l.deleted, ids...)
			l.deleteMu.Unlock()
			return err
		}
		ids = ids[n:]
	}
	return nil
}

func (k *keeper) deleteSome(ids []int64) error {
	l := k.log
	dead := map[*segment]int64{}
	err := l.table.change(func(b *pebble.Batch) error {
		for _, id := range ids {
			rows, err := l.table.rows(id)
			if err != nil {
				return err
			}
			for _, r := range rows {
				if s := l.reg.sealed[r.generation]; s != nil {
					dead[s] += r.bytes
				}
				if err := b.Delete(rowKey(id, r.generation), nil); err != nil {
					return err
				}
			}
			if err := b.Delete(ledgerKey(id), nil); err != nil {
				return err
			}
		}
		for s, bytes := range dead {
			if err := b.Set(segmentKey(s.generation), segmentRow{s.live - bytes, s.total}.encode(), nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for s, bytes := range dead {
		s.live -= bytes
	}
	return nil
}

// free takes segments without living records out of the registry; the last reader's release sends the file to the pool. The
// table covers their fences and keys durably since they were sealed.
func (k *keeper) free() error {
	l := k.log
	for _, s := range k.sealedSegments() {
		if s.live > 0 {
			continue
		}
		l.reg.mu.Lock()
		delete(l.reg.sealed, s.generation)
		l.reg.mu.Unlock()
		l.forgetDamage(s.generation, 0)
		l.metrics.freed.Add(1)
		l.releaseSegment(s)
	}
	return nil
}

// sealedSegments is the sealed segments, in no order.
func (k *keeper) sealedSegments() []*segment {
	r := &k.log.reg
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := make([]*segment, 0, len(r.sealed))
	for _, s := range r.sealed {
		all = append(all, s)
	}
	return all
}

package segment

import (
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// sealChunk is how many bytes of changes the table gets at once. The key that says a segment is in the table comes with the last
// chunk, so that a seal cut short by a crash is done again from the footer.
const sealChunk = 1 << 20

// seal gives every full segment its footer and its rows in the table, oldest first.
func (k *keeper) seal() error {
	for {
		a, ok := k.log.reg.oldestFinal()
		if !ok {
			return nil
		}
		// Deletes that lie in the segment itself must be in the table before the flush that covers it.
		if err := k.deletes(); err != nil {
			return err
		}
		if err := k.sealOne(a); err != nil {
			return err
		}
	}
}

func (k *keeper) sealOne(a *active) error {
	l := k.log
	defer phase(l.o.Log, "seal")()
	var err error
	if a.torn {
		_, err = a.file.WriteAt(a.headers(), 0)
	}
	var places []footerPlace
	if err == nil {
		places, err = a.writeFooter(a.index, a.last)
	}
	if err != nil {
		if noSpace(err) {
			l.dropBallast()
			return err
		}
		return l.fail("write footer of", a.segment, a.end.Load(), err)
	}
	if err := k.roomForTable(); err != nil {
		return err
	}
	if err := k.enter(a.segment, places, a.index); err != nil {
		return err
	}
	if err := l.table.flush(); err != nil {
		return err
	}
	l.reg.seal(a)
	l.rolled(a)
	l.metrics.sealed.Add(1)
	l.forgetDamage(a.generation, a.end.Load()) // of an earlier footer
	if a.torn {
		a.torn = false
		l.state.change(func(s *state) {
			s.damage = slices.DeleteFunc(s.damage, func(d damage) bool { return d == damage{a.generation, 0, groupsAt} })
			s.unsaved = true
		})
	}
	if a.generation != k.distrusted {
		return nil
	}
	k.distrusted = 0 // the footer overwrote the bytes that the failed sync was about
	return l.clearFailure()
}

// entering is what entering a segment into the table needs to know of a ledger in it.
type entering struct {
	ledger  int64
	row     row
	control *control
}

// enter puts the rows of a segment and what it says of ledgers into the table.
func (k *keeper) enter(s *segment, places []footerPlace, x *index) error {
	i := 0
	return k.enterAll(s, func() (entering, bool) {
		if i == len(places) {
			return entering{}, false
		}
		p := places[i]
		i++
		x.mu.RLock()
		c := x.ledgers[p.ledger].control
		x.mu.RUnlock()
		return entering{p.ledger, p.row, c}, true
	})
}

func (k *keeper) enterAll(s *segment, next func() (entering, bool)) error {
	l := k.log
	if err := k.openTable(); err != nil {
		return err
	}
	var live, total int64
	e, more := next()
	for first := true; first || more; first = false {
		err := l.table.change(func(b *pebble.Batch) error {
			for ; more && b.Len() < sealChunk; e, more = next() {
				total += e.row.bytes
				alive, err := k.enterLedger(b, s, e)
				if err != nil {
					return err
				}
				if alive {
					live += e.row.bytes
				}
			}
			if more {
				return nil
			}
			return k.finish(b, s, live, total)
		})
		if err != nil {
			return err
		}
	}
	s.live, s.total = live, total
	return nil
}

// enterLedger enters one ledger and reports whether its entries in the segment count as living.
func (k *keeper) enterLedger(b *pebble.Batch, s *segment, e entering) (bool, error) {
	l := k.log
	if e.control != nil && e.control.deleted || l.reg.deletedAfter(e.ledger, s.generation) {
		return false, nil
	}
	if s.entered {
		// Later segments have had their say since.
		old, err := l.table.row(e.ledger, s.generation)
		if old == nil || err != nil {
			return false, err
		}
		return true, b.Set(rowKey(e.ledger, s.generation), e.row.encode(), nil)
	}
	known, ok, err := l.table.ledger(e.ledger)
	if err != nil {
		return false, err
	}
	if !ok || e.control != nil {
		if !ok {
			known.born = s.generation
		}
		known.merge(e.control)
		if err := b.Set(ledgerKey(e.ledger), known.encode(), nil); err != nil {
			return false, err
		}
	}
	if e.row.count == 0 {
		return false, nil
	}
	return true, b.Set(rowKey(e.ledger, s.generation), e.row.encode(), nil)
}

// finish marks the segment as entered and forgets those whose files are gone.
func (k *keeper) finish(b *pebble.Batch, s *segment, live, total int64) error {
	if s.recycled > 0 {
		k.gone = append(k.gone, s.recycled)
	}
	if err := forget(b, k.gone); err != nil {
		return err
	}
	k.gone = k.gone[:0]
	return b.Set(segmentKey(s.generation), segmentRow{live, total}.encode(), nil)
}

// forget takes segments whose files are gone out of the table.
func forget(b *pebble.Batch, gone []uint64) error {
	for _, g := range gone {
		if err := b.Delete(segmentKey(g), nil); err != nil {
			return err
		}
	}
	return nil
}

// openTable makes the table at the first need.
func (k *keeper) openTable() error {
	l := k.log
	if l.table.ready() {
		return nil
	}
	if err := l.fs.MkdirAll(l.table.dir); err != nil {
		return err
	}
	err := l.table.open(l.id)
	if err != nil && !noSpace(err) {
		l.tableFailed(err)
	}
	return err
}

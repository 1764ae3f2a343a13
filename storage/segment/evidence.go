package segment

import "github.com/strobemq/strobe/storage/bk"

const (
	// evidenceNear is searched without a gap behind a group that is not whole. A commit is far smaller, so that behind a torn
	// one nothing of this generation lies farther away.
	evidenceNear = 16 << 20
	// evidenceFar is searched behind every further multiple of the index distance, should damage reach beyond evidenceNear.
	evidenceFar = 1 << 20
)

// evidence returns the first group behind at, if any group behind it says that the file was synced beyond at.
func (sc *scanner) evidence(at int64) (*groupHeader, error) {
	var first *groupHeader
	from, to := at+1, at+evidenceNear
	for from < sc.win.size {
		g, err := sc.findGroup(from, min(to, sc.win.size))
		if err != nil {
			return nil, err
		}
		switch {
		case g == nil:
			step := sc.log.o.indexBytes
			from = (to/step + 1) * step
			to = from + evidenceFar
			continue
		case sc.out.last.known && g.number <= sc.out.last.number:
			// left over from before the log was continued here
		default:
			if first == nil {
				first = g
			}
			if g.synced > at {
				return first, nil
			}
		}
		from = g.at + 1
	}
	return nil, nil
}

// skipDamage sets the damaged group aside and goes on behind it. g is its header if that is good; next is a later group.
func (sc *scanner) skipDamage(g, next *groupHeader) error {
	if g == nil || g.end() > next.at {
		sc.lose(sc.out.end, next.at)
		sc.out.end, sc.out.last = next.at, link{}
		return nil
	}
	if g.kind == groupIndex {
		sc.out.damage = append(sc.out.damage, damage{sc.seg.generation, g.at, g.end()})
	} else {
		payload, err := sc.win.at(g.at+groupHeaderSize, g.length)
		if err != nil {
			return err
		}
		sc.records(payload, g)
	}
	sc.accept(g)
	return nil
}

// apply enters one durable record into the segment's index.
func (sc *scanner) apply(h recordHeader, off int64, body []byte) {
	x := sc.seg.index
	if h.flags&recordSurvivor != 0 && !sc.alive(h.ledger) {
		return
	}
	s := x.slotLocked(h.ledger)
	if h.kind != bk.RecordEntry {
		s.applyLocked(h.kind, body)
	} else if !s.deleted() {
		x.addLocked(s, h.entry, off, h.length)
	}
}

// alive reports whether a ledger whose entry was copied still exists: the copy may lie behind the ledger's delete in the log.
func (sc *scanner) alive(ledger int64) bool {
	for _, a := range sc.log.reg.open {
		if a.index.deleted(ledger) {
			return false
		}
	}
	_, known, err := sc.log.table.ledger(ledger)
	if err != nil {
		sc.err = err
	}
	return known
}

// applyDamaged enters a record whose body is damaged: an entry is known, so that reading it answers an error and not absence.
func (sc *scanner) applyDamaged(h recordHeader, off int64) {
	if h.kind == bk.RecordEntry {
		sc.apply(h, off, nil)
		return
	}
	sc.seg.index.slotLocked(h.ledger).controls().damaged = true
}

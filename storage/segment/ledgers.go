package segment

import (
	"fmt"

	"github.com/strobemq/strobe/storage/bk"
)

// knowledge is all that the log knows of a ledger but its places.
type knowledge struct {
	ledgerRow
	known bool
	first int64 // lowest entry, -1: none
	last  int64 // highest entry, -1: none
}

func (k *knowledge) entries(first, last int64) {
	if last < 0 {
		return
	}
	if k.first < 0 || first < k.first {
		k.first = first
	}
	k.last = max(k.last, last)
}

// know puts together what the table and the unsealed segments say of a ledger. Records move between the two, so that the answer
// counts only if the table has not changed meanwhile.
func (l *Log) know(ledger int64) (knowledge, error) {
	for {
		version := l.table.version.Load()
		k, err := l.knowOnce(ledger)
		if err != nil || l.table.version.Load() == version {
			return k, err
		}
	}
}

func (l *Log) knowOnce(ledger int64) (knowledge, error) {
	k := knowledge{first: -1, last: -1}
	open := l.reg.openSegments(nil)
	defer func() {
		for _, a := range open {
			l.releaseSegment(a.segment)
		}
	}()
	from := 0
	sealed := true
	for i := len(open) - 1; i >= 0; i-- {
		if open[i].index.deleted(ledger) {
			from, sealed = i, false
			break
		}
	}
	if sealed {
		if err := l.knowSealed(ledger, &k); err != nil {
			return k, err
		}
	}
	for _, a := range open[from:] {
		a.index.know(ledger, a.generation, &k)
	}
	return k, nil
}

func (l *Log) knowSealed(ledger int64, k *knowledge) error {
	s, err := l.sealed(ledger)
	if err != nil {
		return err
	}
	k.ledgerRow, k.known = s.ledgerRow, s.known
	for _, r := range s.rows {
		k.entries(r.first, r.last)
	}
	return nil
}

// know adds what one unsealed segment says.
func (x *index) know(ledger int64, generation uint64, k *knowledge) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	s := x.ledgers[ledger]
	if s == nil {
		return
	}
	if s.deleted() { // since the open segments were looked through: what older ones say counts no more
		*k = knowledge{first: -1, last: -1}
		return
	}
	if !k.known {
		k.known, k.born = true, generation
	}
	k.merge(s.control)
	if s.count > 0 {
		k.entries(s.first, s.last)
	}
}

// limbo reports whether the absence of an entry of the ledger proves nothing, because a part of the log was lost that may have
// held it.
func (l *Log) limbo(k *knowledge) bool {
	lost := l.lostUpTo.Load()
	switch {
	case k.damaged:
		return true
	case lost == 0:
		return false
	case !k.known || k.born <= lost:
		return true
	}
	// First seen after the loss: it is new for certain only if it begins with its first entry.
	return k.first > 0
}

// Ledger is what durable records say of the ledger; see bookie.Store. For a ledger that is not known after a part of the log was
// lost it answers bk.ErrNoLedger with Limbo set: a new ledger may be begun, an old one may have been here.
func (l *Log) Ledger(ledger int64) (bk.LedgerState, error) {
	k, err := l.knowOpen(ledger)
	if err != nil {
		return bk.LedgerState{}, err
	}
	limbo := l.limbo(&k)
	if !k.known {
		return bk.LedgerState{Limbo: limbo}, bk.ErrNoLedger
	}
	return bk.LedgerState{MasterKey: k.key, ExplicitLAC: k.lac, Fenced: k.fenced || limbo, Limbo: limbo}, nil
}

func (l *Log) knowOpen(ledger int64) (knowledge, error) {
	if l.isClosed() {
		return knowledge{}, bk.ErrClosed
	}
	k, err := l.know(ledger)
	if err != nil {
		return k, fmt.Errorf("ledger %d: %w: %w", ledger, bk.ErrIO, err)
	}
	return k, nil
}

// LastEntry is the highest durable entry of the ledger; see bookie.Store.
func (l *Log) LastEntry(ledger int64) (int64, error) {
	k, err := l.knowOpen(ledger)
	switch {
	case err != nil:
		return 0, err
	case k.last >= 0:
		return k.last, nil
	}
	return 0, l.absence(&k)
}

// absent is the error for an entry that is not here.
func (l *Log) absent(ledger int64) error {
	k, err := l.knowOpen(ledger)
	if err != nil {
		return err
	}
	return l.absence(&k)
}

func (l *Log) absence(k *knowledge) error {
	switch {
	case l.limbo(k):
		return bk.ErrLimbo
	case !k.known:
		return bk.ErrNoLedger
	}
	return bk.ErrNoEntry
}

// Ledgers calls yield with each ledger that is here; see bookie.Store.
func (l *Log) Ledgers(yield func(ledger int64) bool) {
	open := l.reg.openSegments(nil)
	defer func() {
		for _, a := range open {
			l.releaseSegment(a.segment)
		}
	}()
	recent := map[int64]bool{} // in unsealed segments: alive or deleted
	for i := len(open) - 1; i >= 0; i-- {
		open[i].index.each(func(id int64, alive bool) {
			if _, ok := recent[id]; !ok {
				recent[id] = alive
			}
		})
	}
	for id, alive := range recent {
		if alive && !yield(id) {
			return
		}
	}
	l.tableLedgers(func(id int64) bool {
		_, seen := recent[id]
		return seen || yield(id)
	})
}

// tableLedgers calls yield with each ledger that the table knows, in ascending order. It asks in pieces: yield may take its time.
func (l *Log) tableLedgers(yield func(ledger int64) bool) {
	const piece = 1000
	for next := int64(0); ; {
		ids := l.table.ledgersFrom(next, piece)
		for _, id := range ids {
			if !yield(id) {
				return
			}
		}
		if len(ids) < piece {
			return
		}
		next = ids[len(ids)-1] + 1
	}
}

// each calls fn with every ledger of the segment.
func (x *index) each(fn func(id int64, alive bool)) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for id, s := range x.ledgers {
		fn(id, !s.deleted())
	}
}

package segment

import "github.com/strobemq/strobe/storage/bk"

// LastEntry is the highest durable entry of the ledger; see bookie.Store.
func (l *Log) LastEntry(ledger int64) (int64, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	last, known := int64(-1), false
	for _, s := range l.open {
		s.index.mu.RLock()
		if t := s.index.ledgers[ledger]; t != nil {
			known = !t.deleted()
			last = max(last, t.last)
			if t.deleted() {
				last = -1
			}
		}
		s.index.mu.RUnlock()
	}
	switch {
	case !known:
		return 0, bk.ErrNoLedger
	case last < 0:
		return 0, bk.ErrNoEntry
	}
	return last, nil
}

// Ledger is what durable records say of the ledger; see bookie.Store.
func (l *Log) Ledger(ledger int64) (bk.LedgerState, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var st bk.LedgerState
	known := false
	for _, s := range l.open {
		s.index.mu.RLock()
		if t := s.index.ledgers[ledger]; t != nil {
			known = true
			if c := t.control; c != nil {
				if c.deleted {
					known, st = false, bk.LedgerState{}
				}
				if c.key != nil {
					st.MasterKey = c.key
				}
				if c.lac != nil {
					st.ExplicitLAC = c.lac
				}
				st.Fenced = st.Fenced || c.fenced
			}
		}
		s.index.mu.RUnlock()
	}
	if !known {
		return bk.LedgerState{}, bk.ErrNoLedger
	}
	return st, nil
}

// Ledgers calls yield with each ledger that is here; see bookie.Store.
func (l *Log) Ledgers(yield func(ledger int64) bool) {
	l.mu.RLock()
	open := l.open
	l.mu.RUnlock()
	seen := map[int64]bool{}
	for i := len(open) - 1; i >= 0; i-- {
		x := open[i].index
		x.mu.RLock()
		for id, s := range x.ledgers {
			if _, ok := seen[id]; !ok {
				seen[id] = !s.deleted()
			}
		}
		x.mu.RUnlock()
	}
	for id, alive := range seen {
		if alive && !yield(id) {
			return
		}
	}
}

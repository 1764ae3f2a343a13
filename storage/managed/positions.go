package managed

import "github.com/strobemq/strobe/storage/bk"

// LastConfirmed is the last entry that is acknowledged and readable. On a managed ledger without entries it is a place before the
// first: (L, -1) or bk.Earliest. It never goes back.
func (l *Ledger) LastConfirmed() bk.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lac
}

// First is the first entry there is; ok is false when there is none.
func (l *Ledger) First() (p bk.Position, ok bool) { return l.AtOrAfter(bk.Earliest) }

// AtOrAfter is the first entry at or behind p; ok is false when there is none yet.
func (l *Ledger) AtOrAfter(p bk.Position) (q bk.Position, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.chain.atOrAfter(p)
}

// Next is the entry behind p. When it does not exist yet it is the place behind p in the same ledger, from which Read goes on
// wherever the next entry lands.
func (l *Ledger) Next(p bk.Position) bk.Position {
	p.Entry++
	if q, ok := l.AtOrAfter(p); ok {
		return q
	}
	return p
}

// Previous is the last entry before p, or the place before the first entry.
func (l *Ledger) Previous(p bk.Position) bk.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.chain.before(p)
}

// EntriesBetween is how many entries lie behind a and not behind b; 0 when b is before a. EntriesBetween(mark-delete, LastConfirmed)
// is a backlog. Positions need not exist.
func (l *Ledger) EntriesBetween(a, b bk.Position) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(0, l.chain.ordinal(b)-max(l.chain.ordinal(a), l.chain.first()))
}

// BytesBetween estimates the payload bytes of the entries behind a and not behind b, by the mean entry of each ledger.
func (l *Ledger) BytesBetween(a, b bk.Position) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(0, l.chain.bytesThrough(b)-l.chain.bytesThrough(a))
}

// Terminated is the last position of a terminated managed ledger.
func (l *Ledger) Terminated() (last bk.Position, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.terminated == nil {
		return bk.Position{}, false
	}
	return *l.terminated, true
}

// Package quorum holds the decisions of the ledger client, free of effects: which bookies take an entry, when it is
// acknowledged, how far a ledger is confirmed, whether enough bookies answered a fencing read, whether an entry is provably
// missing, and which bookies make an ensemble. Inputs in, outputs out: no clock, no lock, no I/O.
//
// Source: interop facts §3 (BookKeeper's client semantics).
package quorum

import (
	"math/bits"

	"github.com/strobemq/strobe/storage/bk"
)

// Set is a set of ensemble indexes (0 to 63).
type Set uint64

// With is s and i.
func (s Set) With(i int) Set { return s | 1<<i }

// Without is s without i.
func (s Set) Without(i int) Set { return s &^ (1 << i) }

// Has reports whether i is in s.
func (s Set) Has(i int) bool { return s>>i&1 != 0 }

// Len is how many indexes s holds.
func (s Set) Len() int { return bits.OnesCount64(uint64(s)) }

// All is the set of the first n indexes.
func All(n int) Set { return 1<<n - 1 }

// First is the ensemble index that takes an entry first; the others of its write set follow cyclically.
func First(entry int64, q bk.Quorum) int { return int(entry % int64(q.Ensemble)) }

// WriteSet appends to dst the ensemble indexes that take an entry, in order.
func WriteSet(dst []int, entry int64, q bk.Quorum) []int {
	i := First(entry, q)
	for range q.Write {
		dst = append(dst, i)
		if i++; i == q.Ensemble {
			i = 0
		}
	}
	return dst
}

// Holds reports whether the bookie at an ensemble index takes an entry.
func Holds(index int, entry int64, q bk.Quorum) bool {
	return (index-First(entry, q)+q.Ensemble)%q.Ensemble < q.Write
}

// Run is how many entries from this one on, one after another, the bookie at an ensemble index takes; limit is the most
// that is of interest.
func Run(index int, entry int64, q bk.Quorum, limit int64) int64 {
	if !Holds(index, entry, q) {
		return 0
	}
	if q.Write == q.Ensemble {
		return limit
	}
	place := (index - First(entry, q) + q.Ensemble) % q.Ensemble // the bookie's place in the write set falls by one an entry
	return min(limit, int64(place)+1)
}

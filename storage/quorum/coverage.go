package quorum

import "github.com/strobemq/strobe/storage/bk"

// eachRun reports whether ok holds for every run of Write cyclically consecutive ensemble indexes, that is for every
// write set there can be.
func eachRun(q bk.Quorum, ok func(run Set) bool) bool {
	for start := range q.Ensemble {
		var run Set
		for i := range q.Write {
			run = run.With((start + i) % q.Ensemble)
		}
		if !ok(run) {
			return false
		}
	}
	return true
}

// Covered is the coverage rule: the answers of these bookies are enough to know of every entry that can have been
// acknowledged, because in no write set an ack quorum is left that nobody heard of. It must hold before a recoverer, or a
// reader of the last-add-confirmed, believes what it heard. An answer counts as heard when it was good or said that there
// is no such entry or ledger; an error, a broken digest or limbo does not.
func Covered(heard Set, q bk.Quorum) bool {
	return eachRun(q, func(run Set) bool { return (run &^ heard).Len() < q.Ack })
}

// CanAck reports whether every entry can still reach its ack quorum when only these bookies take adds.
func CanAck(alive Set, q bk.Quorum) bool {
	return eachRun(q, func(run Set) bool { return (run & alive).Len() >= q.Ack })
}

// Missing reports whether so many bookies of an entry's write set, saying they do not have it, prove that it was never
// acknowledged.
func Missing(negatives int, q bk.Quorum) bool { return negatives > q.Write-q.Ack }

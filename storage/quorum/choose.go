package quorum

import (
	"slices"

	"github.com/strobemq/strobe/storage/bk"
)

// Choose picks n different bookies from candidates, none of them in without. Those in avoid are taken only when there are
// not enough others. pick returns a number below its argument; it makes the choice random, or repeatable in a test. It
// returns as many as there are when there are fewer than n.
func Choose(n int, candidates, without, avoid []string, pick func(n int) int) []string {
	var good, bad []string
	for _, c := range candidates {
		switch {
		case slices.Contains(without, c):
		case slices.Contains(avoid, c):
			bad = append(bad, c)
		default:
			good = append(good, c)
		}
	}
	chosen := make([]string, 0, n)
	for _, from := range [][]string{good, bad} {
		for len(chosen) < n && len(from) > 0 {
			i := pick(len(from))
			chosen = append(chosen, from[i])
			from = slices.Delete(from, i, i+1)
		}
	}
	return chosen
}

// Shrink fits a quorum to the number of bookies there are: the ensemble and the write quorum become smaller, the ack
// quorum never does. It reports false when not even that is there.
func Shrink(q bk.Quorum, bookies int) (bk.Quorum, bool) {
	q.Ensemble = min(q.Ensemble, bookies)
	q.Write = min(q.Write, q.Ensemble)
	return q, q.Write >= q.Ack
}

// Valid reports whether a quorum makes sense: 1 <= Ack <= Write <= Ensemble <= 64.
func Valid(q bk.Quorum) bool {
	return 1 <= q.Ack && q.Ack <= q.Write && q.Write <= q.Ensemble && q.Ensemble <= 64
}

package quorum

import "github.com/strobemq/strobe/storage/bk"

// Fencing gathers the answers to the reads of the last entry that a recoverer sends, with the fencing flag, to every
// bookie of a ledger's last segment; without the flag, a tailing reader's. Its start is NewFencing.
type Fencing struct {
	q        bk.Quorum
	heard    Set
	answered Set
	lac      int64
	length   int64
	last     bk.Code // the last error seen
}

// NewFencing waits for the answers of a whole ensemble.
func NewFencing(q bk.Quorum) *Fencing { return &Fencing{q: q, lac: bk.NoEntry} }

// Entry notes that a bookie sent its last entry, whose digest was good: lac stands in the entry's header. length is the
// ledger's payload up to lac, or more when the entry does not say; of two answers with the same lac the smaller holds.
func (f *Fencing) Entry(index int, lac, length int64) {
	f.answered = f.answered.With(index)
	f.heard = f.heard.With(index)
	if lac > f.lac || lac == f.lac && length < f.length {
		f.lac, f.length = lac, length
	}
}

// Failed notes any other answer. bk.ErrNoEntry and bk.ErrNoLedger are good answers: the bookie has nothing to tell.
func (f *Fencing) Failed(index int, code bk.Code) {
	f.answered = f.answered.With(index)
	if code == bk.ErrNoEntry || code == bk.ErrNoLedger {
		f.heard = f.heard.With(index)
		return
	}
	f.last = code
}

// Done reports whether the gathering has ended. err is nil when the answers cover the ensemble; bk.ErrUnauthorized as soon
// as anybody said so; else, when all have answered and it is not enough, the last error seen.
func (f *Fencing) Done() (done bool, err error) {
	switch {
	case f.last == bk.ErrUnauthorized:
		return true, f.last
	case Covered(f.heard, f.q):
		return true, nil
	case f.answered == All(f.q.Ensemble):
		return true, f.last
	}
	return false, nil
}

// LAC is the greatest last-add-confirmed that was told, and the length told with it; at least floor, the entry before the
// last segment, because earlier segments are complete.
func (f *Fencing) LAC(floor int64) (lac, length int64) { return max(f.lac, floor), f.length }

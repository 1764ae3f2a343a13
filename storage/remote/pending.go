package remote

import "github.com/strobemq/strobe/storage/bk"

// inFlight stands in the Err of an add that is not answered yet.
const inFlight bk.Code = -1

// pending is the adds that were sent, in order, linked through Next. The first is never answered: what is answered from there on is
// given out at once.
type pending struct {
	first, last *bk.BookieAdd
	// hint is an add behind which an answer out of order is looked for first: they come in runs.
	hint *bk.BookieAdd
}

func (p *pending) push(op *bk.BookieAdd) {
	if p.last == nil {
		p.first = op
	} else {
		p.last.Next = op
	}
	p.last = op
}

// answer finds the add that an answer belongs to, of several that are equal the first, and appends to done what can be
// told now: all that is answered from the first on, or this one alone if the bookie did not take it. False when there is none.
func (p *pending) answer(done []*bk.BookieAdd, ledger, entry int64, code bk.Code) ([]*bk.BookieAdd, bool) {
	if p.first == nil {
		return done, false
	}
	if is(p.first, ledger, entry) {
		p.first.Err = code
		return p.shift(done), true
	}
	prev := p.hint
	if prev == nil || prev.Next == nil || !is(prev.Next, ledger, entry) {
		prev = p.first
		for prev.Next != nil && !is(prev.Next, ledger, entry) {
			prev = prev.Next
		}
	}
	op := prev.Next
	if op == nil {
		return done, false
	}
	op.Err = code
	if code != bk.ErrTooMany {
		p.hint = op
		return done, true
	}
	if prev.Next = op.Next; p.last == op {
		p.last = prev
	}
	p.hint, op.Next = prev, nil
	return append(done, op), true
}

func is(op *bk.BookieAdd, ledger, entry int64) bool {
	return op.Err == inFlight && op.Entry == entry && op.Ledger == ledger
}

// shift gives out what is answered at the head.
func (p *pending) shift(done []*bk.BookieAdd) []*bk.BookieAdd {
	for p.first != nil && p.first.Err != inFlight {
		op := p.first
		if p.first, op.Next = op.Next, nil; p.first == nil {
			p.last = nil
		}
		if p.hint == op {
			p.hint = nil
		}
		done = append(done, op)
	}
	return done
}

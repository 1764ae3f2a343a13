package quorum

import "github.com/strobemq/strobe/storage/bk"

// Window counts the acknowledgements of the entries that are on their way, and says how far the ledger is confirmed: up
// to the highest entry such that it and all before it have their ack quorum.
type Window struct {
	q     bk.Quorum
	first int64 // the lowest entry that is not confirmed
	acks  []Set // ring of the pending entries' acknowledgements, from head
	head  int
	n     int
}

// NewWindow returns a window of a ledger that is confirmed up to the entry before first.
func NewWindow(q bk.Quorum, first int64) *Window { return &Window{q: q, first: first} }

// LAC is the last entry that is confirmed.
func (w *Window) LAC() int64 { return w.first - 1 }

// Pending is how many entries are on their way.
func (w *Window) Pending() int { return w.n }

// Push takes the next entry in and returns its id.
func (w *Window) Push() int64 {
	if w.n == len(w.acks) {
		w.grow()
	}
	w.acks[w.at(w.n)] = 0
	w.n++
	return w.first + int64(w.n) - 1
}

func (w *Window) at(i int) int { return (w.head + i) & (len(w.acks) - 1) }

func (w *Window) grow() {
	acks := make([]Set, max(16, 2*len(w.acks))) // a power of two
	for i := range w.n {
		acks[i] = w.acks[w.at(i)]
	}
	w.acks, w.head = acks, 0
}

// Ack notes that the bookie at an ensemble index has the entry on disk. What is already confirmed, was never pushed, or
// does not belong to that bookie changes nothing.
func (w *Window) Ack(entry int64, index int) {
	i := entry - w.first
	if i < 0 || i >= int64(w.n) || !Holds(index, entry, w.q) {
		return
	}
	at := w.at(int(i))
	w.acks[at] = w.acks[at].With(index)
}

// Forget takes back the acknowledgements of an ensemble index for all pending entries: another bookie is there now, which
// has none of them.
func (w *Window) Forget(index int) {
	for i := range w.n {
		at := w.at(i)
		w.acks[at] = w.acks[at].Without(index)
	}
}

// Confirm confirms what can be confirmed and returns how many entries that were, the lowest first.
func (w *Window) Confirm() int {
	n := 0
	for n < w.n && w.acks[w.at(n)].Len() >= w.q.Ack {
		n++
	}
	w.head = (w.head + n) & max(0, len(w.acks)-1)
	w.first += int64(n)
	w.n -= n
	return n
}

// Fail drops all pending entries: they will not be confirmed, and the window takes no more.
func (w *Window) Fail() { w.n = 0 }

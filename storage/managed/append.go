package managed

import "github.com/strobemq/strobe/storage/bk"

// Op is one entry on its way into a managed ledger. Its owner pools it and fills Add.Head, Add.Body, Done and Ctx; the managed
// ledger uses Next and the rest of Add while it holds the Op.
//
// The payload (Head, then Body) is lent until the Op comes back through Done: one reference of Body, which the owner releases
// then. Position is the entry's place if Err is nil. If it is not, the entry is not known to be durable: it may or may not
// be read later (never both acknowledged and lost).
type Op struct {
	Next *Op // the owner's while it holds the Op

	Add      bk.Add // Head and Body set by the owner; Entry, Err, Done, Ctx and Next of it belong to the managed ledger
	Position bk.Position
	Err      error

	Done Appended
	Ctx  any // the owner's own
}

// Appended is told of finished ops: each exactly once, those of one managed ledger in the order of Append also across ledgers and
// failures, off every lock, never on Append's stack, one call at a time per managed ledger, in lists as long as one sync
// made them. The entries are readable when it is called. It must not block. The slice belongs to the caller, the Ops to the
// callee again.
type Appended interface {
	Appended(done []*Op)
}

// opList is ops in order, linked through Next.
type opList struct{ head, tail *Op }

func (q *opList) push(op *Op) {
	op.Next = nil
	if q.tail == nil {
		q.head = op
	} else {
		q.tail.Next = op
	}
	q.tail = op
}

func (q *opList) pop() *Op {
	op := q.head
	if op == nil {
		return nil
	}
	q.head = op.Next
	if q.head == nil {
		q.tail = nil
	}
	op.Next = nil
	return op
}

// prepend puts the ops of p before those of q and empties p.
func (q *opList) prepend(p *opList) {
	if p.head == nil {
		return
	}
	p.tail.Next = q.head
	if q.tail == nil {
		q.tail = p.tail
	}
	q.head = p.head
	*p = opList{}
}

func (q *opList) empty() bool { return q.head == nil }

// complete hands finished ops to their receivers, a call for each run of ops with the same one.
func complete(done []*Op) {
	for i := 0; i < len(done); {
		to, j := done[i].Done, i+1
		for j < len(done) && done[j].Done == to {
			j++
		}
		to.Appended(done[i:j])
		i = j
	}
}

// Append adds the ops behind all earlier ones. It never blocks and never completes on the caller's stack; the slice is the
// caller's again at return. Calls may come from several goroutines, but then their order is theirs to know. Not after the
// Manager was closed.
//
// Ops wait while a ledger is created, rolled over or recovered, and fail with ErrFenced, ErrClosed, ErrTerminated, or with what kept a
// ledger from being had for Config.AppendTimeout. How much may wait is the caller's to bound.
func (l *Ledger) Append(ops []*Op) {
	if len(ops) == 0 {
		return
	}
	l.mu.Lock()
	w := l.w
	if l.dead == nil && w != nil && w.open() && l.waiting.empty() {
		w.submitLocked(ops)
	} else {
		for _, op := range ops {
			l.waiting.push(op)
		}
		l.kickLocked()
	}
	l.mu.Unlock()
}

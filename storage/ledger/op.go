package ledger

import (
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
)

// op is one entry on its way: the add it came from, and its replicas. Ops are pooled. An op is free when its add was
// completed and no bookie has its head any more, so a slow third bookie keeps the op, not the add.
type op struct {
	next  *op // in the writer's queue of pending entries
	w     *writer
	add   *bk.Add // nil once completed
	entry int64

	length   int64 // the ledger's payload bytes up to this entry
	head     []byte
	body     bk.Buf // retained until no bookie needs it any more: one that had no room gets it again
	refs     int    // replicas that a bookie has not answered
	inline   [3]replica
	replicas int // of inline that are used
	room     [roomForHead]byte
}

// roomForHead fits header, CRC digest and the broker's entry metadata; larger heads are on the heap.
const roomForHead = 128

// replica is an op on its way to one bookie.
type replica struct {
	bk.BookieAdd
	op     *op
	member *member
}

// newOp packs an add as the writer's next entry. Digest and head are computed once for all replicas.
func (w *writer) newOp(a *bk.Add) *op {
	o := w.c.ops.Get().(*op)
	w.total += int64(a.Len())
	o.w, o.add, o.body, o.length = w, a, a.Body.Retain(), w.total
	o.entry = w.window.Push()
	a.Entry, a.Err = o.entry, nil
	h := bkwire.Header{Ledger: w.id, Entry: o.entry, LAC: w.window.LAC(), Length: o.length}
	if w.recovering {
		h.LAC = w.floor
	}
	o.head = w.digester.AppendHead(o.room[:0], h, a.Head, a.Body.B)
	w.pending.push(o)
	return o
}

// send puts a replica for m into m's batch.
func (o *op) send(m *member) {
	var r *replica
	if o.replicas < len(o.inline) {
		r = &o.inline[o.replicas]
		o.replicas++
	} else {
		r = new(replica) // a wide write quorum, or an ensemble change
	}
	w := o.w
	r.op, r.member = o, m
	r.Ledger, r.Entry, r.Flags, r.MasterKey = w.id, o.entry, w.flags, w.masterKey
	r.Head, r.Body = o.head, o.body
	r.Done, r.Ctx = w.c, r
	o.refs++
	m.batch = append(m.batch, &r.BookieAdd)
}

// completed takes the add off o, which is no longer pending.
func (o *op) completed() *bk.Add {
	a := o.add
	o.add = nil
	o.freeIfDone()
	return a
}

// answered notes that a bookie has given a replica back.
func (o *op) answered() {
	o.refs--
	o.freeIfDone()
}

func (o *op) freeIfDone() {
	if o.refs > 0 || o.add != nil {
		return
	}
	c := o.w.c
	o.body.Release()
	for i := range o.inline[:o.replicas] {
		r := &o.inline[i]
		r.Head, r.Body, r.member = nil, bk.Buf{}, nil
		r.Record.Head, r.Record.Body = nil, bk.Buf{}
	}
	o.w, o.next, o.head, o.body, o.replicas = nil, nil, nil, bk.Buf{}, 0
	c.ops.Put(o)
}

// opQueue is a queue of ops in entry order, linked through next.
type opQueue struct {
	first, last *op
}

func (q *opQueue) push(o *op) {
	o.next = nil
	if q.last == nil {
		q.first = o
	} else {
		q.last.next = o
	}
	q.last = o
}

func (q *opQueue) pop() *op {
	o := q.first
	q.first, o.next = o.next, nil
	if q.first == nil {
		q.last = nil
	}
	return o
}

// addQueue is a queue of adds, linked through Next.
type addQueue struct {
	first, last *bk.Add
}

func (q *addQueue) push(a *bk.Add) {
	a.Next = nil
	if q.last == nil {
		q.first = a
	} else {
		q.last.Next = a
	}
	q.last = a
}

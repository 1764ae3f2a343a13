package bookie

import (
	"context"
	"sync"

	"github.com/strobemq/strobe/storage/bk"
)

// inFlight stands in the Err of an add that is not answered yet.
const inFlight bk.Code = -1

// Local is a connection to a bookie of the same process, as the ledger client sees it (ledger.BookieConn): it queues, has a
// byte cap, answers in the order of the adds, and never on the caller's stack, as a connection over TCP does. What it does
// not take itself is answered at once: a bookie that stands still must show as a full queue.
type Local struct {
	b *Bookie

	mu         sync.Mutex
	first      *bk.BookieAdd // queue of adds that are not answered, linked through Next
	last       *bk.BookieAdd
	bytes      int64
	delivering bool
	refusing   bool
	ended      bool            // the own goroutine is gone, or will be without another look
	turned     []*bk.BookieAdd // not taken, to be answered by the own goroutine
	batch      []*bk.BookieAdd // room of whoever delivers
	idle       *sync.Cond      // of mu: the queue became empty

	kick   chan struct{} // to the own goroutine: something refused waits for its answer
	quit   chan struct{}
	once   sync.Once
	joined chan struct{}
}

// Local returns a new connection. It ends with its own Close or the bookie's.
func (b *Bookie) Local() *Local {
	l := &Local{b: b, kick: make(chan struct{}, 1), quit: make(chan struct{}), joined: make(chan struct{})}
	l.idle = sync.NewCond(&l.mu)
	b.mu.Lock()
	l.refusing = b.closed
	b.conns[l] = true
	b.mu.Unlock()
	go l.run()
	return l
}

// Add implements ledger.BookieConn. Over the byte cap (Options.QueueBytes) an add is answered with bk.ErrTooMany, after
// Close with bk.ErrUnavailable; a single add is taken whatever its size.
func (l *Local) Add(adds []*bk.BookieAdd) {
	d := decidings.Get().(*deciding)
	defer d.free()
	l.mu.Lock()
	for _, op := range adds {
		op.Next, op.Err = nil, inFlight
		switch size := int64(len(op.Head) + len(op.Body.B)); {
		case l.refusing:
			op.Err = bk.ErrUnavailable
		case l.bytes > 0 && l.bytes+size > l.b.queue:
			op.Err = bk.ErrTooMany
		default:
			op.Body.Retain()
			l.bytes += size
			l.pushLocked(op)
			d.adds = append(d.adds, op)
			continue
		}
		l.turned = append(l.turned, op)
		l.b.metrics.refused.Add(1)
	}
	turned := len(l.turned) > 0
	l.mu.Unlock()
	l.b.add(d, l)
	if len(d.refused) > 0 {
		l.mu.Lock()
		for _, op := range d.refused {
			l.answerLocked(op, op.Record.Err)
		}
		l.mu.Unlock()
	}
	if turned || len(d.refused) > 0 {
		l.wake()
	}
}

func (l *Local) pushLocked(op *bk.BookieAdd) {
	if l.last == nil {
		l.first = op
	} else {
		l.last.Next = op
	}
	l.last = op
}

// wake has answers given that no completing goroutine of the store will give.
func (l *Local) wake() {
	l.mu.Lock()
	ended := l.ended
	l.mu.Unlock()
	if ended {
		go l.answerRefused() // whoever adds to a closed connection is answered too
		return
	}
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// answerLocked sets the answer of an add that was taken.
func (l *Local) answerLocked(op *bk.BookieAdd, c bk.Code) {
	size := int64(len(op.Head) + len(op.Body.B))
	op.Err = c
	l.bytes -= size
	op.Body.Release()
	if c == bk.OK {
		l.b.metrics.entries.Add(1)
		l.b.metrics.bytes.Add(size)
	} else {
		l.b.metrics.refused.Add(1)
	}
}

// RecordsDone implements bk.RecordsDone: the store has answered for entries.
func (l *Local) RecordsDone(done []*bk.Record) {
	l.mu.Lock()
	for _, r := range done {
		l.answerLocked(r.Ctx.(*bk.BookieAdd), r.Err)
		if r.Err == bk.ErrIO || r.Err == bk.ErrReadOnly {
			l.b.sawReadOnly()
		}
	}
	l.mu.Unlock()
	l.deliver()
}

// deliver tells the owners of what is answered at the head of the queue. One goroutine does it at a time, and takes on what
// others answer meanwhile, so that the order stays.
func (l *Local) deliver() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.delivering {
		return
	}
	l.delivering = true
	for l.first != nil && l.first.Err != inFlight {
		l.batch = l.batch[:0]
		for l.first != nil && l.first.Err != inFlight {
			op := l.first
			l.first, op.Next = op.Next, nil
			l.batch = append(l.batch, op)
		}
		if l.first == nil {
			l.last = nil
		}
		l.mu.Unlock()
		tell(l.batch)
		clear(l.batch)
		l.mu.Lock()
	}
	l.delivering = false
	if l.first == nil {
		l.idle.Broadcast()
	}
}

// tell calls the owners, once for each run of adds with the same.
func tell(done []*bk.BookieAdd) {
	for len(done) > 0 {
		n := 1
		for n < len(done) && done[n].Done == done[0].Done {
			n++
		}
		done[0].Done.BookieAddsDone(done[:n:n])
		done = done[n:]
	}
}

// run is the own goroutine.
func (l *Local) run() {
	defer close(l.joined)
	for {
		select {
		case <-l.kick:
			l.answerRefused()
		case <-l.quit:
			return
		}
	}
}

// answerRefused answers adds that the connection did not take, and those that the bookie refused.
func (l *Local) answerRefused() {
	l.mu.Lock()
	turned := l.turned
	l.turned = nil
	l.mu.Unlock()
	tell(turned)
	l.mu.Lock()
	l.idle.Broadcast()
	l.mu.Unlock()
	l.deliver()
}

// Read implements ledger.BookieConn; see Bookie.Read.
func (l *Local) Read(ctx context.Context, r bk.BookieRead) ([]bk.Entry, error) {
	l.mu.Lock()
	refusing := l.refusing
	l.mu.Unlock()
	if refusing {
		return nil, bk.ErrUnavailable
	}
	return l.b.Read(ctx, r)
}

// refuse takes no more adds.
func (l *Local) refuse() {
	l.mu.Lock()
	l.refusing = true
	l.mu.Unlock()
}

// Close takes no more adds, waits for those taken to be answered, and ends. Idempotent.
func (l *Local) Close() error {
	l.mu.Lock()
	l.refusing = true
	for l.first != nil || l.delivering || len(l.turned) > 0 {
		l.idle.Wait()
	}
	l.ended = true
	l.mu.Unlock()
	l.once.Do(func() { close(l.quit) })
	<-l.joined
	l.b.mu.Lock()
	delete(l.b.conns, l)
	l.b.mu.Unlock()
	return nil
}

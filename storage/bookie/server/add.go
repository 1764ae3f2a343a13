package server

import (
	"sync"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/frames"
)

// add is one add on its way through the bookie.
type add struct {
	bk.BookieAdd
	version uint8 // that the answer repeats
}

var adds = sync.Pool{New: func() any { return new(add) }}

// add gathers an add; handOn gives what was gathered to the bookie.
func (c *conn) add(in *frames.In, r *bkwire.Request, end int) {
	if r.Ledger < 0 || r.Entry < 0 {
		c.refuse(r, bk.ErrBadRequest)
		return
	}
	a := adds.Get().(*add)
	a.Ledger, a.Entry, a.Flags, a.MasterKey, a.version = r.Ledger, r.Entry, r.Flags, r.MasterKey, r.Version
	a.Body = in.Keep(r.Stored, end)
	a.Done, a.Ctx = c, a
	c.adds = append(c.adds, &a.BookieAdd)
}

func (c *conn) handOn() {
	if len(c.adds) == 0 {
		return
	}
	c.local.Add(c.adds)
	clear(c.adds)
	c.adds = c.adds[:0]
}

// BookieAddsDone implements bk.BookieAddsDone (what is counted is counted before anybody can see the answer): the answers to adds, in one piece for all that one sync made durable.
func (c *conn) BookieAddsDone(done []*bk.BookieAdd) {
	stored, gone := 0, false
	c.out.Lock()
	for _, op := range done {
		switch op.Err {
		case bk.OK:
			stored++
		case bk.ErrUnavailable:
			gone = true // the bookie is closing: no code of the protocol says so, but the end of the connection
			continue
		default:
			c.s.metrics.answer(op.Err, 1)
		}
		c.out.Commit(bkwire.AppendResponse(c.out.Room(bkwire.ResponseHead), op.Ctx.(*add).version, bkwire.OpAdd, op.Err, op.Ledger, op.Entry, 0))
	}
	c.s.metrics.answer(bk.OK, stored)
	c.answered()
	if gone {
		c.leave()
	}
	for _, op := range done {
		a := op.Ctx.(*add)
		a.Body.Release()
		*a = add{}
		adds.Put(a)
	}
}

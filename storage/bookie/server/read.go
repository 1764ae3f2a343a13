package server

import (
	"errors"
	"math"
	"sync"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
)

// read is one read, or batched read, that waits for a worker.
type read struct {
	next *read
	req  bkwire.Request
}

var reads = sync.Pool{New: func() any { return new(read) }}

// read1 has a worker do a read. What fences or has priority is not behind what does not.
func (c *conn) read1(req *bkwire.Request) {
	l := &c.normal
	if req.Flags&(bk.FlagFence|bk.FlagHighPriority) != 0 {
		l = &c.priority
	}
	r := reads.Get().(*read)
	r.req = *req
	c.reads.Add(1)
	if !l.push(r, c.s.o.MaxReads) {
		c.done(r)
		c.refuse(req, bk.ErrTooMany)
	}
}

// done ends what read1 began.
func (c *conn) done(r *read) {
	*r = read{}
	reads.Put(r)
	c.reads.Done()
}

// serve does a read, on a worker.
func (c *conn) serve(r *read) {
	defer c.done(r)
	if c.ctx.Err() != nil {
		return
	}
	req := &r.req
	entries, err := c.local.Read(c.ctx, c.ask(req))
	switch {
	case err == nil && req.Op == bkwire.OpBatchRead:
		c.answerBatch(req, entries)
	case err == nil:
		c.answerRead(req, entries)
	case c.ctx.Err() != nil:
	default:
		code := bk.ErrIO
		errors.As(err, &code)
		if code == bk.ErrUnavailable {
			c.leave() // the bookie is closing
			return
		}
		c.refuse(req, code)
	}
}

// ask is what a request asks of the bookie.
func (c *conn) ask(req *bkwire.Request) bk.BookieRead {
	r := bk.BookieRead{Ledger: req.Ledger, First: req.Entry, Last: req.Entry, Flags: req.Flags, MasterKey: req.MasterKey}
	if req.Op == bkwire.OpBatchRead && req.Entry >= 0 {
		n := min(bkwire.BatchCount(req.MaxCount)-1, math.MaxInt64-req.Entry)
		r.Last += n
		r.MaxBytes = int(max(0, c.maxBatch(req)-bkwire.BatchLen(0, 0)))
	}
	return r
}

func (c *conn) maxBatch(req *bkwire.Request) int64 { return min(req.MaxBytes, int64(c.s.o.MaxBatch)) }

// answerRead sends an entry, and releases what was read.
func (c *conn) answerRead(req *bkwire.Request, entries []bk.Entry) {
	stored := entries[0].Payload
	c.out.Lock()
	c.out.Commit(bkwire.AppendResponse(c.out.Room(bkwire.ResponseHead), req.Version, req.Op, bk.OK, req.Ledger, req.Entry, len(stored.B)))
	c.out.Payload(stored)
	c.s.metrics.answer(bk.OK, 1)
	c.s.metrics.read(1, int64(len(stored.B)))
	c.answered()
	release(entries)
}

// answerBatch sends as many entries as fit into what the request allows, the first whatever its size, and releases what was
// read.
func (c *conn) answerBatch(req *bkwire.Request, entries []bk.Entry) {
	n, stored := 0, 0
	for most := c.maxBatch(req); n < len(entries); n++ {
		next := stored + len(entries[n].Payload.B)
		if n > 0 && bkwire.BatchLen(n+1, int64(next)) > most {
			break
		}
		stored = next
	}
	c.out.Lock()
	c.out.Commit(bkwire.AppendBatchResponse(c.out.Room(bkwire.BatchHead), req.Version, bk.OK, req.Ledger, req.Entry, req.ID, n, stored))
	for _, e := range entries[:n] {
		c.out.Commit(bkwire.AppendBatchEntry(c.out.Room(bkwire.BatchEntryHead), len(e.Payload.B)))
		c.out.Payload(e.Payload)
	}
	c.s.metrics.answer(bk.OK, 1)
	c.s.metrics.read(n, int64(stored))
	c.answered()
	release(entries)
}

func release(entries []bk.Entry) {
	for _, e := range entries {
		e.Payload.Release()
	}
}

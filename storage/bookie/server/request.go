package server

import (
	"errors"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/frames"
)

// request does one request. An error ends the connection.
func (c *conn) request(in *frames.In, frame []byte) error {
	if c.latch.See(frame) == bkwire.SpeaksV3 {
		return c.refuseV3(frame)
	}
	r, err := bkwire.DecodeRequest(frame)
	if err != nil {
		if errors.Is(err, bkwire.ErrOpcode) {
			c.s.metrics.badOpcode.Add(1)
		} else {
			c.s.metrics.badFrame.Add(1)
		}
		return fault.BookieFrame.New("%w", err)
	}
	switch {
	case r.Op == bkwire.OpAuth:
		if id, ok := bkwire.DecodeHello(frame); ok && id != c.s.b.ID() {
			c.s.metrics.otherID.Add(1)
			return fault.BookieOther.New("the client looks for bookie %.255q", id)
		}
		c.out.Lock()
		c.out.Commit(bkwire.AppendAuthDisabled(c.out.Room(bkwire.MaxAuthDisabled), r.Version))
		c.answered()
	case !r.Known():
		c.refuse(&r, bk.ErrBadVersion)
	case r.Op == bkwire.OpAdd:
		c.add(in, &r, len(frame))
	default:
		c.read1(&r)
	}
	return nil
}

// refuse answers a request that is not done.
func (c *conn) refuse(r *bkwire.Request, code bk.Code) {
	c.s.metrics.answer(code, 1)
	c.out.Lock()
	if r.Op == bkwire.OpBatchRead {
		c.out.Commit(bkwire.AppendBatchResponse(c.out.Room(bkwire.BatchHead), r.Version, code, r.Ledger, r.Entry, r.ID, 0, 0))
	} else {
		c.out.Commit(bkwire.AppendResponse(c.out.Room(bkwire.ResponseHead), r.Version, r.Op, code, r.Ledger, r.Entry, 0))
	}
	c.answered()
}

// refuseV3 tells a client of version 3, in its own words, that this is not spoken here.
func (c *conn) refuseV3(frame []byte) error {
	c.s.metrics.v3.Add(1)
	c.out.Lock()
	if b, err := bkwire.AppendV3Refusal(c.out.Room(bkwire.MaxV3Refusal), frame); err == nil {
		c.out.Commit(b)
	}
	c.answered()
	return fault.BookieVersion3.New("%d bytes of request", len(frame))
}

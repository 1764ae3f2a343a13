package server

import (
	"errors"
	"os"
	"time"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/internal/fault"
)

// read is the reader goroutine: it reads until the connection ends and returns why; nil when the other side or the server closed it.
func (c *conn) read() error {
	in := newInbuf()
	defer func() { in.release() }()
	heard, asked := false, false
	if err := c.nc.SetReadDeadline(time.Now().Add(c.s.o.KeepAlive)); err != nil {
		return err
	}
	for {
		if err := c.waitForRoom(); err != nil {
			return nil
		}
		room := in.room()
		n, err := c.nc.Read(room)
		if n > 0 {
			heard = true
			in.filled(n, len(room))
			if err := c.drain(&in); err != nil {
				return err
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded) && c.ctx.Err() == nil:
			// The tick of keep-alive: once an interval, and no timer is touched in between.
			if !heard {
				if !c.connected {
					return fault.NotConnected.New("nothing came for %v", c.s.o.KeepAlive)
				}
				if asked {
					return fault.ClientSilent.New("nothing came for %v after a ping", c.s.o.KeepAlive)
				}
				c.ping()
				asked = true
				in.shrink()
			} else {
				heard, asked = false, false
			}
			if err := c.nc.SetReadDeadline(time.Now().Add(c.s.o.KeepAlive)); err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// waitForRoom waits while too much of what was read is unanswered. A connection with nothing on its way always reads on: that is
// how acknowledgements get in while publishes wait.
func (c *conn) waitForRoom() error {
	for c.own.used.Load() > 0 {
		var open, idle <-chan struct{}
		if limit := c.s.o.PublishBudget; c.s.budget.used.Load() >= limit {
			// A quarter below the limit, so that readers do not wake for each message.
			if open = c.s.budget.until(limit - limit/4); open != nil {
				idle = c.own.until(0)
			}
		} else if limit := c.s.o.MaxInFlight; c.own.used.Load() >= limit {
			open = c.own.until(limit - limit/4)
		}
		if open == nil {
			return nil
		}
		select {
		case <-open:
		case <-idle:
		case <-c.ctx.Done():
			return c.ctx.Err()
		}
	}
	return nil
}

// drain takes every whole frame there is. What they publish and acknowledge is gathered and handed on once.
func (c *conn) drain(in *inbuf) error {
	for {
		data := in.data()
		limit := c.frameLimit()
		f, n, err := wire.ParseFrame(data, limit)
		if err != nil {
			c.handOn()
			return c.wrongFrame(in, data, err)
		}
		if n == 0 {
			in.need, _ = wire.FrameSize(data, limit)
			c.handOn()
			return nil
		}
		kind, body, err := wire.Split(f.Command)
		if err != nil {
			c.handOn()
			return fault.CommandMalformed.New("%w", err)
		}
		if err := c.handle(kind, body, entryAt{in: in, at: in.start + n - len(f.Payload), end: in.start + n}); err != nil {
			c.handOn()
			return err
		}
		in.consume(n)
	}
}

// helloMost is how large CONNECT may be: it carries credentials, and whoever sends it is not known yet.
const helloMost = 256 << 10

func (c *conn) frameLimit() int {
	if !c.connected {
		return helloMost
	}
	return c.s.o.MaxMessageSize + wire.FramePadding
}

// handle does one command. The commands of the hot path come first and are gathered; before any other everything gathered is
// handed on, so that commands take effect in their order.
func (c *conn) handle(kind wire.Type, body []byte, entry entryAt) error {
	if !c.connected {
		if kind != wire.TypeConnect {
			return fault.NotConnected.New("the first command is %s", kind)
		}
		return c.handleConnect(body)
	}
	switch kind {
	case wire.TypeSend:
		return c.handleSend(body, entry)
	case wire.TypeAck:
		return c.handleAck(body)
	case wire.TypeFlow:
		return c.handleFlow(body)
	}
	c.handOn()
	h := handlerOf(kind)
	if h == nil {
		c.refuseUnknown(kind, body)
		return nil
	}
	return h(c, kind, body)
}

// handOn publishes and acknowledges what was gathered.
func (c *conn) handOn() {
	c.publish()
	c.acknowledge()
}

// wrongFrame says what to do about a length that cannot be: a SEND that is only too large is refused and skipped, anything else ends
// the connection.
func (c *conn) wrongFrame(in *inbuf, data []byte, err error) error {
	var fe *wire.FrameError
	if !errors.As(err, &fe) || !c.connected {
		return fault.FrameLength.New("%w", err)
	}
	skip, need := c.tooLarge(data, int(fe.Total))
	switch {
	case need > 0:
		in.need = need
		return nil
	case skip > 0:
		have := min(skip, len(data))
		in.consume(have)
		in.skip = skip - have
		if have < len(data) {
			return c.drain(in)
		}
		return nil
	}
	return fault.FrameLength.New("%w", err)
}

func (c *conn) ping() {
	c.command(wire.AppendPing(nil))
}

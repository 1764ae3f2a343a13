package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/bookie"
	"github.com/strobemq/strobe/storage/frames"
)

// conn is one connection.
type conn struct {
	s     *Server
	nc    net.Conn
	log   *slog.Logger
	local *bookie.Local
	out   *frames.Out

	ctx    context.Context // ends with the connection
	cancel context.CancelFunc

	normal, priority lane
	reads            sync.WaitGroup // that are not answered

	// The reader's own.
	latch bkwire.Latch
	adds  []*bk.BookieAdd // that came and were not handed on
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{s: s, nc: nc, log: s.log.With("remote", nc.RemoteAddr().String()), out: frames.NewOut(s.o.MaxOutput, s.o.mostOutput())}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.normal, c.priority = lane{c: c, p: s.normal}, lane{c: c, p: s.priority}
	return c
}

// run serves the connection until it ends, and returns when nothing of it is left.
func (c *conn) run() {
	var writer sync.WaitGroup
	writer.Go(func() {
		if err := c.out.Write(c.nc, c.s.o.WriteTimeout, c.drained); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				c.stuck()
			}
			c.kill()
		}
	})
	err := c.read()
	c.report(err)
	if c.s.isClosed() || err != nil && isFault(err) {
		// What was asked before is answered: the client is still there.
		defer time.AfterFunc(c.s.o.DrainTime, c.kill).Stop()
	} else {
		c.kill()
		c.normal.drop()
		c.priority.drop()
	}
	c.reads.Wait()
	c.local.Close() // adds that were taken are made durable and answered, whether or not somebody is there to be told
	c.out.Finish()
	writer.Wait()
	c.kill()
}

// read is the reader goroutine: it hands on what comes until the connection ends, and returns why.
func (c *conn) read() error {
	in := frames.NewIn(c.s.o.MaxFrame)
	defer in.Release()
	for {
		if err := in.Fill(c.nc); err != nil {
			return err
		}
		err := c.drain(in)
		c.handOn()
		if err != nil {
			return err
		}
	}
}

// drain takes every whole frame there is. Adds are gathered.
func (c *conn) drain(in *frames.In) error {
	for {
		frame, err := in.Next()
		if err != nil {
			c.s.metrics.badLength.Add(1)
			return fault.BookieFrame.New("%w", err)
		}
		if frame == nil {
			return nil
		}
		if err := c.request(in, frame); err != nil {
			return err
		}
	}
}

// leave ends the reading; what was read is answered.
func (c *conn) leave() { _ = c.nc.SetReadDeadline(time.Unix(1, 0)) }

// kill ends the connection at once. It does not block.
func (c *conn) kill() {
	c.cancel()
	c.out.Close()
	c.nc.Close()
	c.drained() // reads that waited for the client end
}

// stuck says that the client does not take its answers.
func (c *conn) stuck() {
	c.s.metrics.stuck.Add(1)
	c.log.Warn("connection closed", "code", fault.BookieClientStuck.Code, "unwritten", c.out.Unwritten())
}

// answered ends an append to out.
func (c *conn) answered() {
	if c.out.Unlock() {
		c.stuck()
		c.kill()
	}
}

// drained lets reads go on that waited for the client to take answers.
func (c *conn) drained() {
	c.normal.resume()
	c.priority.resume()
}

func isFault(err error) bool {
	var f *fault.Error
	return errors.As(err, &f)
}

// report logs why a connection ended, unless it ended as connections do.
func (c *conn) report(err error) {
	var f *fault.Error
	switch {
	case errors.As(err, &f):
		c.log.Warn("connection closed", "code", f.Code, "reason", f.Error())
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		errors.Is(err, io.ErrClosedPipe), errors.Is(err, os.ErrDeadlineExceeded):
	default:
		c.log.Debug("connection ended", "error", err)
	}
}

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

	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/frames"
)

// conn is one connection: see the package's doc for its goroutines.
type conn struct {
	s   *Server
	nc  net.Conn
	log *slog.Logger
	out *frames.Out

	ctx    context.Context // ends with the connection
	cancel context.CancelFunc

	// Set by CONNECT on the reader's goroutine before any other command is looked at.
	connected     bool
	version       int32 // the lower of both protocol versions
	clientVersion string
	principal     string
	entryMetadata bool // the client wants broker entry metadata

	mu        sync.Mutex // guards the maps and leaving
	producers map[uint64]*producer
	consumers map[uint64]*consumer
	// left holds ids of producers that are gone: what the client still sends on them is dropped until it creates them again.
	left     map[uint64]resend
	watchers map[uint64]*watcher
	leaving  bool // the server closes

	requests sync.WaitGroup
	slots    chan struct{} // one for each command being worked on

	own budget // this connection's part of Server.budget

	// The reader's own.
	warned map[string]struct{} // codes logged
	send   wire.Send
	ack    wire.Ack
	flow   wire.Flow
	groups []group
	acks   ackList
}

// group is the publishes of one topic that one read brought.
type group struct {
	topic *topic.Topic
	list  []*topic.Publish
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{
		s: s, nc: nc, log: s.log.With("remote", nc.RemoteAddr().String()),
		producers: map[uint64]*producer{}, consumers: map[uint64]*consumer{}, left: map[uint64]resend{}, watchers: map[uint64]*watcher{},
		slots: make(chan struct{}, s.o.MaxRequests),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.out = frames.NewOut(s.o.MaxOutput, c.mostOutput())
	return c
}

// mostOutput is how many unwritten bytes a client may leave before it is taken for stuck.
func (c *conn) mostOutput() int {
	return 4*c.s.o.MaxOutput + 4*(c.s.o.MaxMessageSize+wire.FramePadding)
}

// written ends an append to the output. A client that is stuck is cut off; that does not block.
func (c *conn) written() {
	if c.out.Unlock() {
		c.report(fault.ClientNotReading.New("%d bytes wait for it", c.mostOutput()))
		c.stop()
	}
}

// command sends one frame.
func (c *conn) command(frame []byte) {
	c.out.Lock()
	c.out.Commit(append(c.out.Room(len(frame)), frame...))
	c.written()
}

// run serves the connection until it ends, and returns when nothing of it is left but publishes on their way.
func (c *conn) run() {
	var writer sync.WaitGroup
	writer.Go(func() {
		if err := c.out.Write(c.nc, 2*c.s.o.KeepAlive, c.drained); err != nil {
			c.debug(err)
		}
		c.stop() // the writer ends last in a drain, first in a failure; both end the reader
	})
	if err := c.read(); err != nil {
		c.report(err)
	}
	// What was being answered, such as the error that ended the connection, is still written.
	c.out.Finish()
	c.cancel()
	c.detach()
	c.requests.Wait() // what they still make is dropped by settle
	writer.Wait()
	c.stop()
}

// report logs why a connection ended, unless it ended as connections do.
func (c *conn) report(err error) {
	var f *fault.Error
	if errors.As(err, &f) {
		c.log.Warn("connection closed", "code", f.Code, "reason", f.Error(), "client", c.clientVersion)
		return
	}
	c.debug(err)
}

// warn logs that a command was refused for a reason that should not be; once for each code, so that a broken client cannot fill the
// log.
func (c *conn) warn(err *fault.Error) {
	if _, ok := c.warned[err.Code]; ok {
		return
	}
	if c.warned == nil {
		c.warned = map[string]struct{}{}
	}
	c.warned[err.Code] = struct{}{}
	c.log.Warn("command refused; this is said once for a connection", "code", err.Code, "reason", err.Error(), "client", c.clientVersion)
}

func (c *conn) debug(err error) {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		errors.Is(err, io.ErrClosedPipe), errors.Is(err, os.ErrDeadlineExceeded):
		return
	}
	c.log.Debug("connection ended", "error", err)
}

// detach takes the connection's producers and consumers from their topics. Publishes on their way are stored all the same.
func (c *conn) detach() {
	c.mu.Lock()
	producers, consumers := c.producers, c.consumers
	c.producers, c.consumers = map[uint64]*producer{}, map[uint64]*consumer{}
	watchers := c.watchers
	c.watchers = map[uint64]*watcher{}
	c.mu.Unlock()
	for _, w := range watchers {
		c.s.watches.remove(w)
	}
	for _, p := range producers {
		p.drop()
	}
	for _, u := range consumers {
		u.drop()
	}
}

// drained lets dispatch to the connection's consumers go on.
func (c *conn) drained() {
	c.mu.Lock()
	list := make([]*consumer, 0, len(c.consumers))
	for _, u := range c.consumers {
		list = append(list, u)
	}
	c.mu.Unlock()
	for _, u := range list {
		if sc := u.attached(); sc != nil {
			sc.Drained()
		}
	}
}

// took counts bytes of a publish on their way into a topic.
func (c *conn) took(n int) {
	c.own.take(int64(n))
	c.s.budget.take(int64(n))
}

// gave counts them out again. It does not block.
func (c *conn) gave(n int64) {
	c.own.give(n)
	c.s.budget.give(n)
}

// leave asks the client to go elsewhere and ends the connection when what it sent is finished and answered.
func (c *conn) leave() {
	c.mu.Lock()
	if c.leaving {
		c.mu.Unlock()
		return
	}
	c.leaving = true
	producers := make([]*producer, 0, len(c.producers))
	for _, p := range c.producers {
		producers = append(producers, p)
	}
	consumers := make([]*consumer, 0, len(c.consumers))
	for _, u := range c.consumers {
		consumers = append(consumers, u)
	}
	c.mu.Unlock()
	for _, u := range consumers {
		u.sendAway()
	}
	for _, p := range producers {
		p.sendAway()
	}
	c.ended()
}

// ended finishes a leaving connection once no producer has anything on its way.
func (c *conn) ended() {
	c.mu.Lock()
	done := c.leaving && len(c.producers) == 0
	c.mu.Unlock()
	if done {
		c.out.Finish()
	}
}

// stop cuts the connection off. It does not block. Idempotent.
func (c *conn) stop() {
	c.cancel()
	c.out.Close()
	_ = c.nc.Close()
}

// publishes is where Publish structs come from and go back to.
var publishes = sync.Pool{New: func() any { return new(topic.Publish) }}

func putPublish(p *topic.Publish) {
	p.Data.Release()
	p.Data = bk.Buf{}
	p.Next, p.Producer, p.Err = nil, nil, nil
	publishes.Put(p)
}

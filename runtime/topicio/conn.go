package topicio

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
)

// silence is how long a broker may say nothing before it is taken for dead; brokers ask idle clients every 30 s.
const silence = 90 * time.Second

// ServerError is the broker's refusal of a request.
type ServerError struct {
	Code wire.ServerError
	Text string
}

func (e *ServerError) Error() string { return e.Code.String() + ": " + e.Text }

var errConnClosed = errors.New("connection to the broker closed")

// conn is one connection. Requests, producers and consumers are found by their ids; everything that arrives is handled on the
// reader's goroutine.
type conn struct {
	nc         net.Conn
	maxMessage int

	write sync.Mutex // one writer at a time; guards out
	out   []byte

	mu        sync.Mutex // guards what follows
	nextID    uint64     // of requests, producers and consumers alike
	requests  map[uint64]chan reply
	producers map[uint64]*producer
	consumers map[uint64]*consumer
	err       error // why it ended

	done chan struct{} // the reader has ended
}

type reply struct {
	kind wire.Type
	body []byte
	err  error
}

func dial(ctx context.Context, addr string) (*conn, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &conn{nc: nc, maxMessage: wire.DefaultMaxMessageSize, done: make(chan struct{}),
		requests: map[uint64]chan reply{}, producers: map[uint64]*producer{}, consumers: map[uint64]*consumer{}}
	r := bufio.NewReaderSize(nc, 64<<10)
	if err := c.hello(ctx, r); err != nil {
		nc.Close()
		return nil, fmt.Errorf("%s: %w", addr, err)
	}
	go c.read(r)
	return c, nil
}

// hello exchanges CONNECT and CONNECTED before the reader starts.
func (c *conn) hello(ctx context.Context, r *bufio.Reader) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(10 * time.Second)
	}
	if err := c.nc.SetDeadline(deadline); err != nil {
		return err
	}
	connect := &pb.Connect{ClientVersion: proto.String("strobe"), ProtocolVersion: proto.Int32(wire.ProtocolVersion),
		FeatureFlags: &pb.FeatureFlags{SupportsBrokerEntryMetadata: proto.Bool(true)}}
	if _, err := c.nc.Write(wire.AppendCommand(nil, wire.TypeConnect, connect)); err != nil {
		return err
	}
	f, err := c.readFrame(r, nil)
	if err != nil {
		return err
	}
	kind, body, err := wire.Split(f.Command)
	if err != nil {
		return err
	}
	switch kind {
	case wire.TypeConnected:
		var m pb.Connected
		if err := wire.DecodeBody(kind, body, &m); err != nil {
			return err
		}
		if n := m.GetMaxMessageSize(); n > 0 {
			c.maxMessage = int(n)
		}
	case wire.TypeError:
		var m pb.Error
		if err := wire.DecodeBody(kind, body, &m); err != nil {
			return err
		}
		return &ServerError{m.GetError(), m.GetMessage()}
	default:
		return fmt.Errorf("answered CONNECT with %v", kind)
	}
	return c.nc.SetDeadline(time.Time{})
}

// readFrame reads one whole frame into buf if it fits, else into new memory.
func (c *conn) readFrame(r *bufio.Reader, buf []byte) (wire.Frame, error) {
	head, err := r.Peek(8)
	if err != nil {
		return wire.Frame{}, err
	}
	limit := c.maxMessage + wire.FramePadding
	n, err := wire.FrameSize(head, limit)
	if err != nil {
		return wire.Frame{}, err
	}
	if n > cap(buf) {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	if _, err := io.ReadFull(r, buf); err != nil {
		return wire.Frame{}, err
	}
	f, _, err := wire.ParseFrame(buf, limit)
	return f, err
}

func (c *conn) read(r *bufio.Reader) {
	defer close(c.done)
	small := make([]byte, 4<<10)
	var err error
	for err == nil {
		if r.Buffered() == 0 {
			if err = c.nc.SetReadDeadline(time.Now().Add(silence)); err != nil {
				break
			}
		}
		// Frames with a payload are kept by their consumer and get memory of their own; MESSAGE is the only large command.
		buf := small
		if head, e := r.Peek(10); e == nil && head[9] == byte(wire.TypeMessage) {
			buf = nil
		}
		var f wire.Frame
		if f, err = c.readFrame(r, buf); err == nil {
			err = c.dispatch(f)
		}
	}
	c.fail(err)
}

func (c *conn) dispatch(f wire.Frame) error {
	kind, body, err := wire.Split(f.Command)
	if err != nil {
		return err
	}
	switch kind {
	case wire.TypeMessage:
		var m wire.Message
		if err := m.Decode(body); err != nil {
			return err
		}
		if k := c.consumer(m.ConsumerID); k != nil {
			k.arrived(&m, f.Payload)
		}
	case wire.TypeActiveConsumerChange:
		var m pb.ActiveConsumerChange
		if err := wire.DecodeBody(kind, body, &m); err != nil {
			return err
		}
		if k := c.consumer(m.GetConsumerId()); k != nil {
			k.activeChanged(m.GetIsActive())
		}
	case wire.TypeSendReceipt:
		var m wire.SendReceipt
		if err := m.Decode(body); err != nil {
			return err
		}
		if p := c.producer(m.ProducerID); p != nil {
			return p.receipt(m.SequenceID, nil)
		}
	case wire.TypeSendError:
		var m wire.SendError
		if err := m.Decode(body); err != nil {
			return err
		}
		if p := c.producer(m.ProducerID); p != nil {
			return p.receipt(m.SequenceID, &ServerError{m.Error, string(m.Message)})
		}
	case wire.TypePing:
		return c.send(wire.AppendPong(nil))
	case wire.TypeCloseProducer, wire.TypeCloseConsumer:
		// The topic moves or unloads. Whoever uses it connects again, so the connection as a whole can go.
		return fmt.Errorf("the broker sent %v", kind)
	default:
		return c.answer(kind, body)
	}
	return nil
}

// answer hands a response to whoever waits for it. Responses begin with their request id in field 1 (ERROR and SUCCESS too), or 2 in a
// few; the generated messages know which.
func (c *conn) answer(kind wire.Type, body []byte) error {
	var id uint64
	out := reply{kind: kind}
	switch kind {
	case wire.TypeError:
		var m pb.Error
		if err := wire.DecodeBody(kind, body, &m); err != nil {
			return err
		}
		id, out.err = m.GetRequestId(), &ServerError{m.GetError(), m.GetMessage()}
	case wire.TypeSuccess:
		var m pb.Success
		if err := wire.DecodeBody(kind, body, &m); err != nil {
			return err
		}
		id = m.GetRequestId()
	case wire.TypeProducerSuccess:
		var m pb.ProducerSuccess
		if err := wire.DecodeBody(kind, body, &m); err != nil {
			return err
		}
		if !m.GetProducerReady() {
			return nil // queued behind an exclusive producer; another answer follows
		}
		id = m.GetRequestId()
	case wire.TypePartitionedMetadataResponse:
		var m pb.PartitionedMetadataResponse
		if err := wire.DecodeBody(kind, body, &m); err != nil {
			return err
		}
		id = m.GetRequestId()
	case wire.TypeLookupResponse:
		var m pb.LookupResponse
		if err := wire.DecodeBody(kind, body, &m); err != nil {
			return err
		}
		id = m.GetRequestId()
	case wire.TypeConsumerStatsResponse:
		var m pb.ConsumerStatsResponse
		if err := wire.DecodeBody(kind, body, &m); err != nil {
			return err
		}
		id = m.GetRequestId()
	default:
		return nil // REACHED_END_OF_TOPIC and the like: nothing to do here
	}
	c.mu.Lock()
	ch := c.requests[id]
	delete(c.requests, id)
	c.mu.Unlock()
	if ch != nil {
		out.body = append([]byte(nil), body...)
		ch <- out
	}
	return nil
}

// request sends the command that make builds for a fresh request id and decodes the answer into out, unless that is nil.
func (c *conn) request(ctx context.Context, kind wire.Type, make_ func(id uint64) proto.Message, out proto.Message) error {
	ch := make(chan reply, 1)
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return c.err
	}
	c.nextID++
	id := c.nextID
	c.requests[id] = ch
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.requests, id)
		c.mu.Unlock()
	}()
	if err := c.send(wire.AppendCommand(nil, kind, make_(id))); err != nil {
		return err
	}
	select {
	case r := <-ch:
		if r.err != nil || out == nil {
			return r.err
		}
		return wire.DecodeBody(r.kind, r.body, out)
	case <-c.done:
		return c.failure()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// send writes a small frame.
func (c *conn) send(frame []byte) error {
	c.write.Lock()
	defer c.write.Unlock()
	return c.writeLocked(frame)
}

func (c *conn) writeLocked(b []byte) error {
	if err := c.nc.SetWriteDeadline(time.Now().Add(silence)); err != nil {
		return err
	}
	if _, err := c.nc.Write(b); err != nil {
		c.nc.Close() // a frame cut in two: the reader ends everything
		return err
	}
	return nil
}

func (c *conn) newID() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nextID++
	return c.nextID
}

func (c *conn) producer(id uint64) *producer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.producers[id]
}

// addConsumer makes a consumer known; false if the connection has ended.
func (c *conn) addConsumer(r *consumer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return false
	}
	c.consumers[r.id] = r
	return true
}

func (c *conn) consumer(id uint64) *consumer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.consumers[id]
}

func (c *conn) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// fail ends everything that hangs on the connection.
func (c *conn) fail(err error) {
	c.nc.Close()
	c.mu.Lock()
	if c.err == nil {
		if err == nil || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) {
			err = errConnClosed
		}
		c.err = err
	}
	err = c.err
	producers, consumers := c.producers, c.consumers
	c.producers, c.consumers = map[uint64]*producer{}, map[uint64]*consumer{}
	c.mu.Unlock()
	for _, p := range producers {
		p.fail(err)
	}
	for _, k := range consumers {
		k.fail(err)
	}
}

// close ends the connection and joins its reader. Idempotent.
func (c *conn) close() {
	c.nc.Close()
	<-c.done
}

package server

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/managed"
	"github.com/strobemq/strobe/storage/meta/memory"
	"github.com/strobemq/strobe/storage/storagetest"
)

// broker is a server over real topics on memory ledgers.
type broker struct {
	t       testing.TB
	server  *Server
	topics  *topic.Topics
	ledgers *storagetest.MemLedgers
	addr    string
	logged  *logs
}

func newBroker(t testing.TB, change ...func(o *Options, to *topic.Options)) *broker {
	t.Helper()
	bk.PoisonSlabs(true)
	slabs := bk.SlabBytesInUse()
	b := &broker{t: t, ledgers: storagetest.NewMemLedgers(t), logged: &logs{}}
	manager := managed.New(managed.Options{Ledgers: b.ledgers, Meta: memory.New(), FlushInterval: time.Millisecond})
	var next atomic.Int64
	to := topic.Options{
		Managed:      manager,
		NextProducer: func(context.Context) (int64, error) { return next.Add(1), nil },
		Created:      func(n topic.Name) { b.server.TopicCreated(n) },
		Deleted:      func(n topic.Name) { b.server.TopicDeleted(n) },
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.addr = l.Addr().String()
	o := Options{
		Lookup: func(context.Context, topic.Name, LookupQuery) (Owner, error) {
			return Owner{URL: "pulsar://" + b.addr, Authoritative: true}, nil
		},
		Log: b.logged.logger(),
	}
	for _, f := range change {
		f(&o, &to)
	}
	b.topics = topic.NewTopics(to)
	o.Topics = b.topics
	b.server = New(o)
	served := make(chan error, 1)
	go func() { served <- b.server.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := b.server.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
		if err := <-served; err != nil && !errors.Is(err, net.ErrClosed) { // a short test may close before Serve began
			t.Errorf("serve: %v", err)
		}
		if err := b.topics.Close(); err != nil {
			t.Errorf("topics: %v", err)
		}
		if err := manager.Close(context.Background()); err != nil {
			t.Errorf("managed ledgers: %v", err)
		}
		eventually(t, "every slab is given back", func() bool { return bk.SlabBytesInUse() <= slabs })
	})
	return b
}

// eventually waits for a condition that something else brings about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("not in ten seconds: %s", what)
		}
		<-time.After(time.Millisecond)
	}
}

// logs counts what was logged by code.
type logs struct {
	codes [10000]atomic.Int32
}

func (l *logs) logger() *slog.Logger { return slog.New(l) }

func (l *logs) Enabled(context.Context, slog.Level) bool { return true }
func (l *logs) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logs) WithGroup(string) slog.Handler            { return l }
func (l *logs) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "code" {
			n := 0
			for _, d := range a.Value.String()[len("STB-BROKER-"):] {
				n = n*10 + int(d-'0')
			}
			l.codes[n].Add(1)
		}
		return true
	})
	return nil
}

// client speaks the protocol frame by frame.
type client struct {
	t  testing.TB
	nc net.Conn
	r  *bufio.Reader

	patience time.Duration
}

// dial connects without CONNECT.
func (b *broker) dial() *client {
	nc, err := net.Dial("tcp", b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = nc.Close() })
	return newClient(b.t, nc)
}

func newClient(t testing.TB, nc net.Conn) *client {
	return &client{t: t, nc: nc, r: bufio.NewReader(nc), patience: 10 * time.Second}
}

// pipe connects without a kernel in between that takes what nobody reads.
func (b *broker) pipe() *client {
	near, far := net.Pipe()
	b.server.start(far)
	b.t.Cleanup(func() { _ = near.Close() })
	return newClient(b.t, near).hello()
}

// connect is dial with CONNECT.
func (b *broker) connect(change ...func(*pb.Connect)) *client { return b.dial().hello(change...) }

func (c *client) hello(change ...func(*pb.Connect)) *client {
	m := &pb.Connect{ClientVersion: proto.String("test"), ProtocolVersion: proto.Int32(wire.ProtocolVersion)}
	for _, f := range change {
		f(m)
	}
	c.t.Helper()
	c.command(wire.TypeConnect, m)
	c.expect(wire.TypeConnected, &pb.Connected{})
	return c
}

func (c *client) raw(b []byte) {
	c.t.Helper()
	if _, err := c.nc.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) command(t wire.Type, m proto.Message) {
	c.t.Helper()
	c.raw(wire.AppendCommand(nil, t, m))
}

// frame reads one frame; nil at the end of the connection.
func (c *client) frame() []byte {
	c.t.Helper()
	_ = c.nc.SetReadDeadline(time.Now().Add(c.patience))
	head, err := c.r.Peek(4)
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || !isTimeout(err) {
			return nil
		}
		c.t.Fatal(err)
	}
	b := make([]byte, 4+binary.BigEndian.Uint32(head))
	if _, err := io.ReadFull(c.r, b); err != nil {
		c.t.Fatal(err)
	}
	return b
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// next reads a frame; the type is 0 at the end of the connection.
func (c *client) next() (wire.Type, []byte, []byte) {
	c.t.Helper()
	b := c.frame()
	if b == nil {
		return 0, nil, nil
	}
	f, _, err := wire.ParseFrame(b, 1<<30)
	if err != nil {
		c.t.Fatal(err)
	}
	t, body, err := wire.Split(f.Command)
	if err != nil {
		c.t.Fatal(err)
	}
	return t, body, f.Payload
}

// expect reads a frame that must be of type t into m.
func (c *client) expect(t wire.Type, m proto.Message) {
	c.t.Helper()
	got, body, _ := c.next()
	if got != t {
		text := ""
		if got == wire.TypeError {
			var e pb.Error
			_ = wire.DecodeBody(got, body, &e)
			text = e.String()
		}
		if got == wire.TypeSendError {
			var e pb.SendError
			_ = wire.DecodeBody(got, body, &e)
			text = e.String()
		}
		c.t.Fatalf("%v %s, want %v", got, text, t)
	}
	if err := wire.DecodeBody(t, body, m); err != nil {
		c.t.Fatal(err)
	}
}

// closed requires that the broker ends the connection, whatever it says before.
func (c *client) closed() {
	c.t.Helper()
	for {
		if t, _, _ := c.next(); t == 0 {
			return
		}
	}
}

func (c *client) producer(id uint64, name string) *pb.ProducerSuccess {
	c.t.Helper()
	c.command(wire.TypeProducer, &pb.Producer{Topic: &name, ProducerId: &id, RequestId: proto.Uint64(1000 + id)})
	s := &pb.ProducerSuccess{}
	c.expect(wire.TypeProducerSuccess, s)
	return s
}

func (c *client) subscribe(id uint64, name, sub string, kind pb.Subscribe_SubType, change ...func(*pb.Subscribe)) {
	c.t.Helper()
	m := &pb.Subscribe{
		Topic: &name, Subscription: &sub, SubType: &kind, ConsumerId: &id, RequestId: proto.Uint64(2000 + id),
		InitialPosition: pb.Subscribe_EARLIEST.Enum(),
	}
	for _, f := range change {
		f(m)
	}
	c.command(wire.TypeSubscribe, m)
	c.expect(wire.TypeSuccess, &pb.Success{})
}

func (c *client) flow(id uint64, n uint32) {
	c.raw((&wire.Flow{ConsumerID: id, Permits: n}).AppendFrame(nil))
}

// sendFrame is a SEND of one message.
func sendFrame(producer, sequence uint64, body []byte) []byte {
	entry := entryOf(sequence, body)
	s := wire.Send{ProducerID: producer, SequenceID: sequence, NumMessages: 1}
	return append(s.AppendFrame(nil, len(entry)), entry...)
}

func entryOf(sequence uint64, body []byte) []byte {
	return wire.AppendPayload(nil, &wire.Metadata{ProducerName: []byte("p"), SequenceID: sequence, PublishTime: 1}, body)
}

func (c *client) receipt() wire.SendReceipt {
	c.t.Helper()
	t, body, _ := c.next()
	var r wire.SendReceipt
	if t != wire.TypeSendReceipt || r.Decode(body) != nil {
		if t == wire.TypeSendError {
			var e wire.SendError
			_ = e.Decode(body)
			c.t.Fatalf("SEND_ERROR %v %s", e.Error, e.Message)
		}
		c.t.Fatalf("%v, want a receipt", t)
	}
	return r
}

func (c *client) sendError() wire.SendError {
	c.t.Helper()
	t, body, _ := c.next()
	var e wire.SendError
	if t != wire.TypeSendError || e.Decode(body) != nil {
		c.t.Fatalf("%v, want a SEND_ERROR", t)
	}
	return e
}

// message reads a MESSAGE and returns it with the entry's body.
func (c *client) message() (wire.Message, []byte) {
	c.t.Helper()
	t, body, payload := c.next()
	var m wire.Message
	if t != wire.TypeMessage || m.Decode(body) != nil {
		c.t.Fatalf("%v, want a MESSAGE", t)
	}
	_, rest, _, err := wire.CutBrokerEntry(payload)
	if err != nil {
		c.t.Fatal(err)
	}
	p, err := wire.ParsePayload(rest)
	if err != nil || p.Verify() != nil {
		c.t.Fatal("a damaged entry was delivered")
	}
	return m, p.Body
}

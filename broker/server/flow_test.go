package server

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/storage/bk"
)

// When too much is unanswered, reading stops from those who publish; who only consumes is still heard.
func TestPublishBudget(t *testing.T) {
	const budget = 200_000
	b := newBroker(t, func(o *Options, _ *topic.Options) { o.PublishBudget, o.MaxInFlight = budget, 10*budget })
	p, c := b.connect(), b.connect()
	p.producer(1, aTopic)
	c.subscribe(1, aTopic, "s", pb.Subscribe_SHARED)
	c.flow(1, 1_000_000)

	b.ledgers.Hold()
	const n = 2000
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for i := range uint64(n) {
			if _, err := p.nc.Write(sendFrame(1, i, bytes.Repeat([]byte("x"), 1000))); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	eventually(t, "the budget is used", func() bool { return b.server.Stats().PublishBytes >= budget })
	for range 5 { // heard five times: whatever the publisher still could, it did
		c.raw(wire.AppendPing(nil))
		c.expect(wire.TypePong, &pb.Pong{})
	}
	if used := b.server.Stats().PublishBytes; used > budget+2*maxBuffer {
		t.Errorf("%d bytes in flight, %d are allowed", used, budget)
	}
	b.ledgers.Unhold()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		for range n {
			p.receipt()
		}
	}()
	for i := range n {
		if m, _ := c.message(); m.ID.Entry != int64(i) {
			t.Fatalf("%d: %+v", i, m.ID)
		}
	}
	<-sent
	<-answered
	eventually(t, "the budget is given back", func() bool { return b.server.Stats().PublishBytes == 0 })
}

// One connection cannot use up the budget of all.
func TestInFlightOfOneConnection(t *testing.T) {
	b := newBroker(t, func(o *Options, _ *topic.Options) { o.PublishBudget, o.MaxInFlight = 10_000_000, 100_000 })
	p, q := b.connect(), b.connect()
	p.producer(1, aTopic)
	q.producer(1, aTopic+"2")
	b.ledgers.Hold()
	go func() {
		for i := range uint64(2000) {
			if _, err := p.nc.Write(sendFrame(1, i, make([]byte, 1000))); err != nil {
				return
			}
		}
	}()
	eventually(t, "its part is used", func() bool { return b.server.Stats().PublishBytes >= 100_000 })
	q.raw(append(sendFrame(1, 1, []byte("x")), wire.AppendPing(nil)...))
	q.expect(wire.TypePong, &pb.Pong{})
	if used := b.server.Stats().PublishBytes; used > 100_000+2*maxBuffer+1000 {
		t.Errorf("%d bytes in flight", used)
	}
	b.ledgers.Unhold()
	q.receipt()
	for range 2000 {
		p.receipt()
	}
}

// A client that does not read is sent only so much; when it reads again, it gets the rest in order.
func TestOutputLimit(t *testing.T) {
	const limit = 100_000
	b := newBroker(t, func(o *Options, _ *topic.Options) { o.MaxOutput = limit })
	p, c := b.connect(), b.pipe()
	p.producer(1, aTopic)
	const n = 1000
	go func() {
		for i := range uint64(n) {
			p.raw(sendFrame(1, i, bytes.Repeat([]byte("y"), 10_000)))
		}
	}()
	for range n {
		p.receipt()
	}
	c.subscribe(1, aTopic, "s", pb.Subscribe_EXCLUSIVE)
	c.flow(1, n)
	eventually(t, "the connection is congested", func() bool { return b.server.Stats().Congested == 1 })
	if out := b.server.Stats().OutputBytes; out > limit+2<<20 { // what one read of the ledger brought may be behind it
		t.Errorf("%d bytes wait, %d are allowed", out, limit)
	}
	p.raw(wire.AppendPing(nil)) // others are served meanwhile
	p.expect(wire.TypePong, &pb.Pong{})
	for i := range n {
		if m, body := c.message(); m.ID.Entry != int64(i) || len(body) != 10_000 {
			t.Fatalf("%d: %+v", i, m.ID)
		}
	}
	if st := b.server.Stats(); st.Congested != 0 {
		t.Error(st)
	}
}

// Answers to its own commands that a client does not read end it.
func TestClientThatNeverReads(t *testing.T) {
	b := newBroker(t, func(o *Options, _ *topic.Options) { o.MaxOutput, o.MaxMessageSize = 1000, 1000 })
	c := b.pipe()
	pings := bytes.Repeat(wire.AppendPing(nil), 1000)
	for {
		if _, err := c.nc.Write(pings); err != nil {
			break
		}
	}
	b.codeWas(20)
	eventually(t, "it is gone", func() bool { return b.server.Stats().Connections == 0 })
}

// A silent client is pinged after one interval and dropped after another; one that answers stays. In fake time.
func TestKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logged := &logs{}
		s := New(Options{KeepAlive: 30 * time.Second, Log: logged.logger()})
		start := func() *client {
			near, far := net.Pipe()
			s.start(far)
			c := newClient(t, near)
			c.patience = time.Hour
			return c
		}
		mute, alive, dead := start(), start(), start()
		for _, c := range []*client{alive, dead} {
			c.command(wire.TypeConnect, &pb.Connect{ClientVersion: proto.String("x"), ProtocolVersion: proto.Int32(21)})
			c.expect(wire.TypeConnected, &pb.Connected{})
		}
		died := make(chan struct{})
		go func() { // reads, and answers nothing
			defer close(died)
			dead.expect(wire.TypePing, &pb.Ping{})
			dead.closed()
			mute.closed()
		}()
		begun := time.Now()
		for range 5 {
			alive.expect(wire.TypePing, &pb.Ping{})
			alive.raw(wire.AppendPong(nil))
		}
		if took := time.Since(begun); took < 4*30*time.Second || took > 12*30*time.Second {
			t.Errorf("five pings in %v", took)
		}
		<-died
		if logged.codes[9].Load() != 1 || logged.codes[8].Load() != 1 {
			t.Error("not logged as silent and as not connected")
		}
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
		alive.closed()
	})
}

// Closing finishes what was sent: receipts first, then the request to go elsewhere, then the end.
func TestCloseDrains(t *testing.T) {
	b := newBroker(t)
	c := b.connect()
	c.producer(1, aTopic)
	c.producer(2, aTopic)
	c.subscribe(7, aTopic+"2", "s", pb.Subscribe_SHARED)
	b.ledgers.Hold()
	const n = 10
	for i := range uint64(n) {
		c.raw(sendFrame(1, i, []byte("x")))
	}
	c.raw(wire.AppendPing(nil))
	c.expect(wire.TypePong, &pb.Pong{})
	closed := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		closed <- b.server.Close(ctx)
	}()
	away := &pb.CloseConsumer{}
	if c.expect(wire.TypeCloseConsumer, away); away.GetConsumerId() != 7 {
		t.Error(away)
	}
	gone := &pb.CloseProducer{}
	if c.expect(wire.TypeCloseProducer, gone); gone.GetProducerId() != 2 {
		t.Error(gone)
	}
	c.raw(sendFrame(1, n, []byte("too late, and sent again elsewhere")))
	name := aTopic
	c.command(wire.TypeProducer, &pb.Producer{Topic: &name, ProducerId: proto.Uint64(3), RequestId: proto.Uint64(3)})
	e := &pb.Error{}
	if c.expect(wire.TypeError, e); e.GetError() != wire.ServiceNotReady {
		t.Error(e)
	}
	c.command(wire.TypeLookup, &pb.Lookup{Topic: &name, RequestId: proto.Uint64(4)})
	l := &pb.LookupResponse{}
	if c.expect(wire.TypeLookupResponse, l); l.GetError() != wire.ServiceNotReady {
		t.Error(l)
	}
	b.ledgers.Unhold()
	for i := range uint64(n) {
		if r := c.receipt(); r.SequenceID != i || r.Message.Entry != int64(i) {
			t.Fatal(r)
		}
	}
	if c.expect(wire.TypeCloseProducer, gone); gone.GetProducerId() != 1 {
		t.Error(gone)
	}
	if kind, _, _ := c.next(); kind != 0 {
		t.Error("after the end:", kind)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", b.addr); err == nil {
		t.Error("still listening")
	}
}

// What never completes cannot hold up Close beyond its context.
func TestCloseGivesUp(t *testing.T) {
	b := newBroker(t)
	c := b.connect()
	c.producer(1, aTopic)
	b.ledgers.Hold()
	defer b.ledgers.Unhold()
	c.raw(append(sendFrame(1, 1, []byte("x")), wire.AppendPing(nil)...))
	c.expect(wire.TypePong, &pb.Pong{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := b.server.Close(ctx); err != context.Canceled {
		t.Error(err)
	}
	c.closed()
	if err := b.server.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// Frames are cut right however the bytes arrive.
func TestAnyPieces(t *testing.T) {
	for _, size := range []int{1, 2, 3, 7, 8, 13, 100, 4095, 4096, 4097, 30_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			b := newBroker(t)
			near, far := net.Pipe()
			b.server.start(far)
			c := newClient(t, near)
			defer near.Close()
			var out []byte
			out = wire.AppendCommand(out, wire.TypeConnect, &pb.Connect{ClientVersion: proto.String("x"), ProtocolVersion: proto.Int32(21)})
			name := aTopic
			out = wire.AppendCommand(out, wire.TypeProducer, &pb.Producer{Topic: &name, ProducerId: proto.Uint64(1), RequestId: proto.Uint64(1)})
			go c.raw(out)
			c.expect(wire.TypeConnected, &pb.Connected{})
			c.expect(wire.TypeProducerSuccess, &pb.ProducerSuccess{})
			bodies := [][]byte{{}, []byte("a"), bytes.Repeat([]byte("b"), 300), bytes.Repeat([]byte("c"), 9000), []byte("d"), bytes.Repeat([]byte("e"), 20_000)}
			out = nil
			for i, body := range bodies {
				out = append(out, sendFrame(1, uint64(i), body)...)
			}
			go func() {
				for rest := out; len(rest) > 0; {
					n := min(size, len(rest))
					c.raw(rest[:n])
					rest = rest[n:]
				}
			}()
			tp := b.loaded(t, aTopic)
			for i, body := range bodies {
				r := c.receipt()
				if r.SequenceID != uint64(i) {
					t.Fatal(r)
				}
				e, err := tp.Entry(t.Context(), bk.Position{Ledger: r.Message.Ledger, Entry: r.Message.Entry})
				if err != nil {
					t.Fatal(err)
				}
				_, rest, _, _ := wire.CutBrokerEntry(e.Payload.B)
				if !bytes.Equal(rest, entryOf(uint64(i), body)) {
					t.Errorf("entry %d is not what was sent", i)
				}
				e.Payload.Release()
			}
		})
	}
}

// failing is a listener that has no file descriptor left for a while.
type failing struct {
	net.Listener
	left atomic.Int32
}

func (l *failing) Accept() (net.Conn, error) {
	if l.left.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

func TestServeGoesOnAfterEMFILE(t *testing.T) {
	b := newBroker(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &failing{Listener: l}
	f.left.Store(2)
	served := make(chan error, 1)
	go func() { served <- b.server.Serve(f) }()
	b.addr = l.Addr().String()
	b.connect()
	if err := b.server.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if err := b.server.Serve(l); err == nil {
		t.Error("a closed server serves")
	}
}

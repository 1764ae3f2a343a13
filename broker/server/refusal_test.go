package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/internal/fault"
)

// codeWas requires that a code was logged.
func (b *broker) codeWas(n int) {
	b.t.Helper()
	eventually(b.t, fmt.Sprintf("STB-BROKER-%04d is logged", n), func() bool { return b.logged.codes[n].Load() > 0 })
}

// What is no Pulsar client is cut off with a code, and nobody else notices.
func TestStrangersAreCutOff(t *testing.T) {
	for name, c := range map[string]struct {
		connected bool
		bytes     []byte
		code      int
	}{
		"HTTP":                   {false, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 1},
		"TLS":                    {false, []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), 1},
		"HTTP after CONNECT":     {true, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 1},
		"command beyond frame":   {true, []byte{0, 0, 0, 9, 0, 0, 0, 99, 1, 2, 3, 4, 5}, 1},
		"no command":             {true, []byte{0, 0, 0, 9, 0, 0, 0, 0, 1, 2, 3, 4, 5}, 1},
		"not protobuf":           {true, []byte{0, 0, 0, 9, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0xff}, 5},
		"SEND without fields":    {true, []byte{0, 0, 0, 8, 0, 0, 0, 4, 8, 6, 0x32, 0}, 5},
		"LOOKUP without fields":  {true, []byte{0, 0, 0, 9, 0, 0, 0, 5, 8, 23, 0xba, 1, 0}, 5},
		"SEND on no producer":    {true, sendFrame(77, 1, []byte("x")), 5},
		"PING before CONNECT":    {false, wire.AppendPing(nil), 8},
		"a second CONNECT":       {true, wire.AppendCommand(nil, wire.TypeConnect, &pb.Connect{ClientVersion: proto.String("x")}), 8},
		"large CONNECT":          {false, bytes.Repeat([]byte{0x7f}, 100), 1},
		"large frame, no SEND":   {true, append([]byte{0x10, 0, 0, 0, 0, 0, 0, 5, 8, 18, 0x92, 1, 0}, make([]byte, 100)...), 1},
		"large frame, no length": {true, append([]byte{0x10, 0, 0, 0, 0x0f, 0, 0, 5, 8, 18, 0x92, 1, 0}, make([]byte, 100)...), 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBroker(t)
			other := b.connect()
			other.producer(1, aTopic)
			s := b.dial()
			if c.connected {
				s = b.connect()
			}
			s.raw(c.bytes)
			s.closed()
			b.codeWas(c.code)
			other.raw(sendFrame(1, 5, []byte("x")))
			if r := other.receipt(); r.SequenceID != 5 {
				t.Error(r)
			}
		})
	}
}

// A damaged message is refused in its turn, nothing of it is stored, and the connection goes on.
func TestCorruptMessage(t *testing.T) {
	b := newBroker(t)
	c := b.connect()
	c.producer(1, aTopic)
	b.ledgers.Hold()
	var out []byte
	for i := range uint64(6) {
		f := sendFrame(1, i, bytes.Repeat([]byte("x"), 100))
		switch i {
		case 1:
			f[len(f)-1] ^= 1
		case 2:
			entry := []byte{0x0e, 1, 1, 2, 3, 4, 0xff, 0, 0, 0}
			s := wire.Send{ProducerID: 1, SequenceID: i, NumMessages: 1}
			f = append(s.AppendFrame(nil, len(entry)), entry...)
		case 4:
			entry := entryOf(i, nil)
			s := wire.Send{ProducerID: 1, SequenceID: i, NumMessages: 1, Txn: true}
			f = append(s.AppendFrame(nil, len(entry)), entry...)
		}
		out = append(out, f...)
	}
	c.raw(out)
	b.codeWas(13) // all of it was read while nothing could complete
	b.ledgers.Unhold()
	entry := int64(0)
	for i := range uint64(6) {
		switch i {
		case 1, 2, 4:
			want := map[uint64]wire.ServerError{1: wire.ChecksumError, 2: wire.UnknownError, 4: wire.NotAllowedError}[i]
			code := map[uint64]string{1: "STB-BROKER-0003", 2: "STB-BROKER-0004", 4: "STB-BROKER-0013"}[i]
			if e := c.sendError(); e.SequenceID != i || e.Error != want || !strings.HasPrefix(string(e.Message), code) {
				t.Fatalf("%d: %+v %s", i, e, e.Message)
			}
		default:
			if r := c.receipt(); r.SequenceID != i || r.Message.Entry != entry {
				t.Fatalf("%d: %+v", i, r)
			}
			entry++
		}
	}
	b.codeWas(3)
	b.codeWas(4)
}

// A SEND over the limit is answered and skipped, however it is cut into reads.
func TestOversizedMessage(t *testing.T) {
	for _, pieces := range []int{1, 7, 5000} {
		b := newBroker(t, func(o *Options, _ *topic.Options) { o.MaxMessageSize = 10_000 })
		c := b.connect()
		c.producer(1, aTopic)
		out := sendFrame(1, 1, []byte("before"))
		out = append(out, sendFrame(1, 2, make([]byte, 200_000))...)
		out = append(out, sendFrame(1, 3, []byte("behind"))...)
		for len(out) > 0 {
			n := min(len(out), max(1, len(out)/pieces))
			if pieces == 7 {
				n = min(len(out), 5003)
			}
			c.raw(out[:n])
			out = out[n:]
		}
		if r := c.receipt(); r.SequenceID != 1 {
			t.Fatal(r)
		}
		if e := c.sendError(); e.SequenceID != 2 || e.Error != wire.NotAllowedError || !strings.HasPrefix(string(e.Message), "STB-BROKER-0002") {
			t.Fatal(e)
		}
		if r := c.receipt(); r.SequenceID != 3 || r.Message.Entry != 1 {
			t.Fatal(r)
		}
		b.codeWas(2)
	}
}

// Commands that there are not are answered with an error that names the request; the connection goes on.
func TestUnknownCommands(t *testing.T) {
	b := newBroker(t)
	c := b.connect()
	for _, command := range [][]byte{
		{8, 99, 0x9a, 6, 2, 8, 7},                                           // an id beyond the protocol
		{8, 0xff, 0xff, 3, 0xfa, 0xff, 0x1f, 2, 8, 7},                       // far beyond
		{8, byte(wire.TypeSuccess), byte(wire.TypeSuccess)<<3 | 2, 2, 8, 7}, // a broker's
		{8, 45, 0xea, 2, 2, 8, 7},                                           // a gap
	} {
		out := []byte{0, 0, 0, byte(4 + len(command)), 0, 0, 0, byte(len(command))}
		c.raw(append(out, command...))
		e := &pb.Error{}
		c.expect(wire.TypeError, e)
		if e.GetRequestId() != 7 || e.GetError() != wire.UnsupportedVersionError || !strings.HasPrefix(e.GetMessage(), "STB-BROKER-0006") {
			t.Errorf("%x: %v", command, e)
		}
	}
	c.raw(wire.AppendPing(nil))
	c.expect(wire.TypePong, &pb.Pong{})
}

func TestTransactionsAreRefused(t *testing.T) {
	b := newBroker(t)
	c := b.connect()
	id := proto.Uint64(3)
	for kind, m := range map[wire.Type]proto.Message{
		wire.TypeNewTxn:               &pb.NewTxn{RequestId: id, TxnTtlSeconds: proto.Uint64(9)},
		wire.TypeAddPartitionToTxn:    &pb.AddPartitionToTxn{RequestId: id, TxnidLeastBits: id, TxnidMostBits: id, Partitions: []string{"x"}},
		wire.TypeAddSubscriptionToTxn: &pb.AddSubscriptionToTxn{RequestId: id, TxnidLeastBits: id, TxnidMostBits: id},
		wire.TypeEndTxn:               &pb.EndTxn{RequestId: id, TxnidLeastBits: id, TxnidMostBits: id},
		wire.TypeEndTxnOnPartition:    &pb.EndTxnOnPartition{RequestId: id, TxnidLeastBits: id, TxnidMostBits: id},
		wire.TypeEndTxnOnSubscription: &pb.EndTxnOnSubscription{RequestId: id, TxnidLeastBits: id, TxnidMostBits: id},
	} {
		c.command(kind, m)
		r := &pb.TxnResponse{}
		c.expect(kind+1, r)
		if r.GetRequestId() != 3 || r.GetError() != wire.NotAllowedError || !strings.HasPrefix(r.GetMessage(), "STB-BROKER-0013") {
			t.Errorf("%v: %v", kind, r)
		}
	}
	c.command(wire.TypeTcClientConnect, &pb.TcClientConnect{RequestId: id, TcId: id})
	r := &pb.TcClientConnectResponse{}
	if c.expect(wire.TypeTcClientConnectResponse, r); r.GetError() != wire.NotAllowedError {
		t.Error(r)
	}
	c.command(wire.TypeAuthResponse, &pb.AuthResponse{})
	c.expect(wire.TypeError, &pb.Error{})
}

// Every command that touches something asks whether it may, and says so when it may not.
func TestAuthorization(t *testing.T) {
	var asked []string
	b := newBroker(t, func(o *Options, _ *topic.Options) {
		o.Authenticate = func(_ context.Context, c Credentials) (string, error) {
			if string(c.Data) != "secret" {
				return "", errors.New("wrong password")
			}
			return "me", nil
		}
		o.Authorize = func(_ context.Context, principal string, a Action, resource string) error {
			asked = append(asked, fmt.Sprintf("%s %s %s", principal, a, resource))
			return fault.NotAuthorized.New("%s may not %s %s", principal, a, resource)
		}
	})
	stranger := b.dial()
	stranger.command(wire.TypeConnect, &pb.Connect{ClientVersion: proto.String("x"), AuthData: []byte("guess")})
	e := &pb.Error{}
	if stranger.expect(wire.TypeError, e); e.GetError() != wire.AuthenticationError {
		t.Error(e)
	}
	stranger.closed()
	b.codeWas(10)

	c := b.connect(func(m *pb.Connect) { m.AuthData = []byte("secret") })
	id := proto.Uint64(4)
	refused := func(code wire.ServerError, text string) {
		t.Helper()
		if code != wire.AuthorizationError || !strings.HasPrefix(text, "STB-BROKER-0011") {
			t.Error(code, text)
		}
	}
	c.command(wire.TypeProducer, &pb.Producer{Topic: proto.String("a"), ProducerId: id, RequestId: id})
	c.expect(wire.TypeError, e)
	refused(e.GetError(), e.GetMessage())
	c.command(wire.TypeSubscribe, &pb.Subscribe{Topic: proto.String("a"), Subscription: proto.String("s"), SubType: pb.Subscribe_SHARED.Enum(), ConsumerId: id, RequestId: id})
	c.expect(wire.TypeError, e)
	refused(e.GetError(), e.GetMessage())
	c.command(wire.TypeLookup, &pb.Lookup{Topic: proto.String("a"), RequestId: id})
	l := &pb.LookupResponse{}
	c.expect(wire.TypeLookupResponse, l)
	refused(l.GetError(), l.GetMessage())
	c.command(wire.TypePartitionedMetadata, &pb.PartitionedMetadata{Topic: proto.String("a"), RequestId: id})
	p := &pb.PartitionedMetadataResponse{}
	c.expect(wire.TypePartitionedMetadataResponse, p)
	refused(p.GetError(), p.GetMessage())
	c.command(wire.TypeGetTopicsOfNamespace, &pb.GetTopicsOfNamespace{Namespace: proto.String("public/default"), RequestId: id})
	c.expect(wire.TypeError, e)
	refused(e.GetError(), e.GetMessage())
	c.command(wire.TypeWatchTopicList, &pb.WatchTopicList{Namespace: proto.String("public/default"), RequestId: id, WatcherId: id, TopicsPattern: proto.String(".*")})
	c.expect(wire.TypeError, e)
	refused(e.GetError(), e.GetMessage())
	c.command(wire.TypeGetSchema, &pb.GetSchema{Topic: proto.String("a"), RequestId: id})
	s := &pb.GetSchemaResponse{}
	c.expect(wire.TypeGetSchemaResponse, s)
	refused(s.GetErrorCode(), s.GetErrorMessage())
	c.command(wire.TypeGetOrCreateSchema, &pb.GetOrCreateSchema{Topic: proto.String("a"), RequestId: id,
		Schema: &pb.Schema{Name: proto.String("s"), SchemaData: []byte("x"), Type: pb.Schema_JSON.Enum()}})
	g := &pb.GetOrCreateSchemaResponse{}
	c.expect(wire.TypeGetOrCreateSchemaResponse, g)
	refused(g.GetErrorCode(), g.GetErrorMessage())
	want := "me produce persistent://public/default/a|me consume persistent://public/default/a|me lookup persistent://public/default/a|" +
		"me lookup persistent://public/default/a|me list public/default|me list public/default|me lookup persistent://public/default/a|me produce persistent://public/default/a"
	if got := strings.Join(asked, "|"); got != want {
		t.Errorf("asked\n%s\nwant\n%s", got, want)
	}
}

// Names that are none are refused by every command that has one.
func TestBadNames(t *testing.T) {
	b := newBroker(t)
	c := b.connect()
	id := proto.Uint64(4)
	for _, name := range []string{"topic://public/default/a", "persistent://public/a", "persistent://public/def ault/a", ""} {
		c.command(wire.TypeLookup, &pb.Lookup{Topic: &name, RequestId: id})
		l := &pb.LookupResponse{}
		if c.expect(wire.TypeLookupResponse, l); l.GetError() != wire.InvalidTopicName || l.GetResponse() != pb.LookupResponse_FAILED {
			t.Errorf("%q: %v", name, l)
		}
		c.command(wire.TypeProducer, &pb.Producer{Topic: &name, ProducerId: id, RequestId: id})
		e := &pb.Error{}
		if c.expect(wire.TypeError, e); e.GetError() != wire.InvalidTopicName {
			t.Errorf("%q: %v", name, e)
		}
	}
	c.producer(4, aTopic) // the id is free again
}

// Commands for consumers that are not there are answered, if they ask to be.
func TestUnknownConsumers(t *testing.T) {
	b := newBroker(t)
	c := b.connect()
	id := proto.Uint64(9)
	for kind, m := range map[wire.Type]proto.Message{
		wire.TypeSeek:             &pb.Seek{ConsumerId: id, RequestId: id, MessagePublishTime: id},
		wire.TypeUnsubscribe:      &pb.Unsubscribe{ConsumerId: id, RequestId: id},
		wire.TypeGetLastMessageID: &pb.GetLastMessageId{ConsumerId: id, RequestId: id},
	} {
		c.command(kind, m)
		e := &pb.Error{}
		if c.expect(wire.TypeError, e); e.GetError() != wire.ConsumerNotFound || e.GetRequestId() != 9 {
			t.Errorf("%v: %v", kind, e)
		}
	}
	c.flow(9, 10)
	c.command(wire.TypeRedeliverUnacknowledged, &pb.RedeliverUnacknowledged{ConsumerId: id})
	ack := wire.Ack{ConsumerID: 9, IDs: []wire.MessageID{wire.NoMessageID}, HasRequest: true, RequestID: 6}
	c.raw(ack.AppendFrame(nil))
	r := &pb.AckResponse{}
	if c.expect(wire.TypeAckResponse, r); r.GetError() != wire.ConsumerNotFound || r.GetRequestId() != 6 {
		t.Error(r)
	}
	c.command(wire.TypeConsumerStats, &pb.ConsumerStats{ConsumerId: id, RequestId: id})
	s := &pb.ConsumerStatsResponse{}
	if c.expect(wire.TypeConsumerStatsResponse, s); s.GetErrorCode() != wire.ConsumerNotFound {
		t.Error(s)
	}
	for kind, m := range map[wire.Type]proto.Message{
		wire.TypeCloseConsumer: &pb.CloseConsumer{ConsumerId: id, RequestId: id},
		wire.TypeCloseProducer: &pb.CloseProducer{ProducerId: id, RequestId: id},
	} {
		c.command(kind, m)
		c.expect(wire.TypeSuccess, &pb.Success{})
	}
}

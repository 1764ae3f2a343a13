package server

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/internal/fault"
)

// The page of supported commands says what the server does.
func TestTableOfCommands(t *testing.T) {
	gathered := map[wire.Type]bool{wire.TypeSend: true, wire.TypeAck: true, wire.TypeFlow: true}
	for _, c := range wire.Commands {
		has := handlerOf(c.Type) != nil || gathered[c.Type]
		if want := c.From&wire.FromClient != 0; has != want {
			t.Errorf("%s: sent by %s, handler %v", c.Name, c.From, has)
		}
	}
}

func (b *broker) create(names ...string) {
	b.t.Helper()
	for _, n := range names {
		if _, err := b.topics.Get(context.Background(), mustName(b.t, n), true); err != nil {
			b.t.Fatal(err)
		}
	}
}

func TestGetTopics(t *testing.T) {
	b := newBroker(t)
	c := b.connect()
	b.create("a-1", "a-2", "b", "p-partition-0", "__change_events", "__transaction_buffer_snapshot", "non-persistent://public/default/n", "other/space/x")
	full := func(names ...string) (out []string) {
		for _, n := range names {
			out = append(out, mustName(t, n).String())
		}
		return out
	}
	get := func(change func(*pb.GetTopicsOfNamespace)) *pb.GetTopicsOfNamespaceResponse {
		m := &pb.GetTopicsOfNamespace{RequestId: proto.Uint64(1), Namespace: proto.String("public/default")}
		change(m)
		c.command(wire.TypeGetTopicsOfNamespace, m)
		r := &pb.GetTopicsOfNamespaceResponse{}
		c.expect(wire.TypeGetTopicsResponse, r)
		return r
	}
	persistent := full("a-1", "a-2", "b", "p-partition-0")
	all := full("non-persistent://public/default/n", "a-1", "a-2", "b", "p-partition-0")
	for name, x := range map[string]struct {
		change   func(*pb.GetTopicsOfNamespace)
		want     []string
		filtered bool
	}{
		"default":        {func(*pb.GetTopicsOfNamespace) {}, persistent, false},
		"persistent":     {func(m *pb.GetTopicsOfNamespace) { m.Mode = pb.GetTopicsOfNamespace_PERSISTENT.Enum() }, persistent, false},
		"non-persistent": {func(m *pb.GetTopicsOfNamespace) { m.Mode = pb.GetTopicsOfNamespace_NON_PERSISTENT.Enum() }, all[:1], false},
		"all":            {func(m *pb.GetTopicsOfNamespace) { m.Mode = pb.GetTopicsOfNamespace_ALL.Enum() }, all, false},
		"pattern": {func(m *pb.GetTopicsOfNamespace) {
			m.TopicsPattern = proto.String("persistent://public/default/a-.*")
		}, full("a-1", "a-2"), true},
		"pattern of the whole": {func(m *pb.GetTopicsOfNamespace) { m.TopicsPattern = proto.String("public/default/a") }, nil, true},
		"look-ahead":           {func(m *pb.GetTopicsOfNamespace) { m.TopicsPattern = proto.String("public/default/(?!a).*") }, persistent, false},
	} {
		r := get(x.change)
		same := len(r.Topics) == len(x.want)
		for _, n := range x.want {
			found := false
			for _, got := range r.Topics {
				found = found || got == n
			}
			same = same && found
		}
		if !same || r.GetFiltered() != x.filtered || !r.GetChanged() || r.GetTopicsHash() != topicsHash(x.want) {
			t.Errorf("%s: %v, want %v", name, r, x.want)
		}
	}
	r := get(func(m *pb.GetTopicsOfNamespace) { m.TopicsHash = proto.String(topicsHash(persistent)) })
	if r.GetChanged() || len(r.Topics) != 0 {
		t.Errorf("nothing changed: %v", r)
	}
}

// The hash is the one that Apache Pulsar 4.0.8 sent with these topics.
func TestTopicsHashIsApaches(t *testing.T) {
	f, err := os.Open("../wire/testdata/frames.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var g struct{ Type, Hex string }
		if err := json.Unmarshal(s.Bytes(), &g); err != nil {
			t.Fatal(err)
		}
		if g.Type != "GET_TOPICS_OF_NAMESPACE_RESPONSE" {
			continue
		}
		raw, _ := hex.DecodeString(g.Hex)
		frame, _, err := wire.ParseFrame(raw, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		kind, body, err := wire.Split(frame.Command)
		r := &pb.GetTopicsOfNamespaceResponse{}
		if err != nil || wire.DecodeBody(kind, body, r) != nil {
			t.Fatal(err)
		}
		if got := topicsHash(r.Topics); got != r.GetTopicsHash() {
			t.Errorf("%s, recorded %s", got, r.GetTopicsHash())
		}
		return
	}
	t.Fatal("no such frame")
}

func TestWatchTopicList(t *testing.T) {
	b := newBroker(t)
	c := b.connect()
	b.create("w-1")
	id := proto.Uint64(1)
	c.command(wire.TypeWatchTopicList, &pb.WatchTopicList{RequestId: id, WatcherId: proto.Uint64(5), Namespace: proto.String("public/default"), TopicsPattern: proto.String("public/default/w-.*")})
	s := &pb.WatchTopicListSuccess{}
	c.expect(wire.TypeWatchTopicListSuccess, s)
	one, two := mustName(t, "w-1").String(), mustName(t, "w-2").String()
	if s.GetWatcherId() != 5 || len(s.Topic) != 1 || s.Topic[0] != one || s.GetTopicsHash() != topicsHash([]string{one}) {
		t.Fatal(s)
	}
	b.create("other", "w-2", "non-persistent://public/default/w-3", "other/space/w-4")
	u := &pb.WatchTopicUpdate{}
	c.expect(wire.TypeWatchTopicUpdate, u)
	if u.GetWatcherId() != 5 || len(u.NewTopics) != 1 || u.NewTopics[0] != two || u.GetTopicsHash() != topicsHash([]string{one, two}) {
		t.Fatal(u)
	}
	if err := b.topics.Delete(context.Background(), mustName(t, "w-1"), true); err != nil {
		t.Fatal(err)
	}
	u = &pb.WatchTopicUpdate{}
	c.expect(wire.TypeWatchTopicUpdate, u)
	if len(u.DeletedTopics) != 1 || u.DeletedTopics[0] != one || u.GetTopicsHash() != topicsHash([]string{two}) {
		t.Fatal(u)
	}
	c.command(wire.TypeWatchTopicListClose, &pb.WatchTopicListClose{RequestId: id, WatcherId: proto.Uint64(5)})
	c.expect(wire.TypeSuccess, &pb.Success{})
	b.create("w-5")
	c.command(wire.TypeWatchTopicList, &pb.WatchTopicList{RequestId: id, WatcherId: proto.Uint64(6), Namespace: proto.String("public/default"), TopicsPattern: proto.String("(?!x)")})
	e := &pb.Error{}
	if c.expect(wire.TypeError, e); e.GetError() != wire.NotAllowedError {
		t.Error(e)
	}
}

// A producer that waits to become exclusive is answered twice.
func TestProducerThatWaits(t *testing.T) {
	b := newBroker(t)
	first, second := b.connect(), b.connect()
	name := aTopic
	exclusive := func(c *client, mode pb.ProducerAccessMode) {
		c.command(wire.TypeProducer, &pb.Producer{Topic: &name, ProducerId: proto.Uint64(1), RequestId: proto.Uint64(8), ProducerAccessMode: &mode})
	}
	exclusive(first, pb.ProducerAccessMode_ACCESS_EXCLUSIVE)
	s := &pb.ProducerSuccess{}
	if first.expect(wire.TypeProducerSuccess, s); !s.GetProducerReady() || s.TopicEpoch == nil {
		t.Fatal(s)
	}
	exclusive(second, pb.ProducerAccessMode_ACCESS_WAIT_FOR_EXCLUSIVE)
	if second.expect(wire.TypeProducerSuccess, s); s.GetProducerReady() || s.GetRequestId() != 8 {
		t.Fatal(s)
	}
	exclusive(b.connect(), pb.ProducerAccessMode_ACCESS_SHARED)
	first.command(wire.TypeCloseProducer, &pb.CloseProducer{ProducerId: proto.Uint64(1), RequestId: proto.Uint64(9)})
	first.expect(wire.TypeSuccess, &pb.Success{})
	if second.expect(wire.TypeProducerSuccess, s); !s.GetProducerReady() || s.GetRequestId() != 8 {
		t.Fatal(s)
	}
	second.raw(sendFrame(1, 1, []byte("x")))
	second.receipt()
	exclusive(first, pb.ProducerAccessMode_ACCESS_EXCLUSIVE)
	e := &pb.Error{}
	if first.expect(wire.TypeError, e); e.GetError() != wire.ProducerFenced {
		t.Error(e)
	}
}

// CLOSE_PRODUCER is answered when what the producer sent is; its name is free then.
func TestCloseProducerWaitsForReceipts(t *testing.T) {
	b := newBroker(t)
	c := b.connect()
	name := aTopic
	c.command(wire.TypeProducer, &pb.Producer{Topic: &name, ProducerId: proto.Uint64(1), RequestId: proto.Uint64(1), ProducerName: proto.String("me")})
	c.expect(wire.TypeProducerSuccess, &pb.ProducerSuccess{})
	b.ledgers.Hold()
	c.raw(sendFrame(1, 1, []byte("x")))
	c.command(wire.TypeCloseProducer, &pb.CloseProducer{ProducerId: proto.Uint64(1), RequestId: proto.Uint64(2)})
	c.raw(sendFrame(1, 2, []byte("dropped")))
	c.raw(wire.AppendPing(nil))
	c.expect(wire.TypePong, &pb.Pong{})
	b.ledgers.Unhold()
	if r := c.receipt(); r.SequenceID != 1 {
		t.Fatal(r)
	}
	c.expect(wire.TypeSuccess, &pb.Success{})
	c.command(wire.TypeProducer, &pb.Producer{Topic: &name, ProducerId: proto.Uint64(2), RequestId: proto.Uint64(3), ProducerName: proto.String("me")})
	c.expect(wire.TypeProducerSuccess, &pb.ProducerSuccess{})
}

// Asking again for what one has is answered with it.
func TestAskingTwice(t *testing.T) {
	b := newBroker(t)
	c := b.connect()
	a, z := c.producer(1, aTopic), c.producer(1, aTopic)
	if a.GetProducerName() != z.GetProducerName() {
		t.Error(a, z)
	}
	c.subscribe(1, aTopic, "s", pb.Subscribe_EXCLUSIVE)
	c.subscribe(1, aTopic, "s", pb.Subscribe_EXCLUSIVE)
	if n := len(b.loaded(t, aTopic).Subscription("s").Consumers()); n != 1 {
		t.Error(n, "consumers")
	}
}

// When a connection ends, its producers and consumers are gone from their topics.
func TestConnectionEnds(t *testing.T) {
	b := newBroker(t)
	c := b.connect()
	name := aTopic
	c.command(wire.TypeProducer, &pb.Producer{Topic: &name, ProducerId: proto.Uint64(1), RequestId: proto.Uint64(1), ProducerName: proto.String("me")})
	c.expect(wire.TypeProducerSuccess, &pb.ProducerSuccess{})
	c.subscribe(1, aTopic, "s", pb.Subscribe_EXCLUSIVE)
	c.command(wire.TypeConsumerStats, &pb.ConsumerStats{RequestId: proto.Uint64(1), ConsumerId: proto.Uint64(1)})
	r := &pb.ConsumerStatsResponse{}
	if c.expect(wire.TypeConsumerStatsResponse, r); r.ErrorCode != nil || r.GetType() != "Exclusive" || r.GetAddress() == "" {
		t.Error(r)
	}
	_ = c.nc.Close()
	again := b.connect()
	eventually(t, "the consumer is gone", func() bool { return len(b.loaded(t, aTopic).Subscription("s").Consumers()) == 0 })
	again.command(wire.TypeProducer, &pb.Producer{Topic: &name, ProducerId: proto.Uint64(1), RequestId: proto.Uint64(1), ProducerName: proto.String("me")})
	again.expect(wire.TypeProducerSuccess, &pb.ProducerSuccess{})
	again.subscribe(1, aTopic, "s", pb.Subscribe_EXCLUSIVE)
}

// schemas keeps one schema a topic.
type schemas map[string]*pb.Schema

func (s schemas) Schema(_ context.Context, n topic.Name, version []byte) (*pb.Schema, []byte, error) {
	if version != nil && string(version) != "v0" {
		return nil, nil, nil
	}
	return s[n.String()], []byte("v0"), nil
}

func (s schemas) AddSchema(_ context.Context, n topic.Name, m *pb.Schema) ([]byte, error) {
	if old := s[n.String()]; old != nil && string(old.SchemaData) != string(m.SchemaData) {
		return nil, &topic.Refusal{Code: wire.IncompatibleSchema, Err: fault.SchemaUnavailable.New("%s", n)}
	}
	s[n.String()] = m
	return []byte("v0"), nil
}

func TestSchemas(t *testing.T) {
	b := newBroker(t, func(o *Options, _ *topic.Options) { o.Schemas = schemas{} })
	c := b.connect()
	id := proto.Uint64(1)
	get := func(version []byte) *pb.GetSchemaResponse {
		c.command(wire.TypeGetSchema, &pb.GetSchema{RequestId: id, Topic: proto.String("a"), SchemaVersion: version})
		r := &pb.GetSchemaResponse{}
		c.expect(wire.TypeGetSchemaResponse, r)
		return r
	}
	if r := get(nil); r.GetErrorCode() != wire.TopicNotFound {
		t.Error(r)
	}
	put := func(data string) *pb.GetOrCreateSchemaResponse {
		c.command(wire.TypeGetOrCreateSchema, &pb.GetOrCreateSchema{RequestId: id, Topic: proto.String("a"),
			Schema: &pb.Schema{Name: proto.String("s"), SchemaData: []byte(data), Type: pb.Schema_JSON.Enum()}})
		r := &pb.GetOrCreateSchemaResponse{}
		c.expect(wire.TypeGetOrCreateSchemaResponse, r)
		return r
	}
	if r := put("one"); r.ErrorCode != nil || string(r.SchemaVersion) != "v0" {
		t.Error(r)
	}
	if r := put("two"); r.GetErrorCode() != wire.IncompatibleSchema {
		t.Error(r)
	}
	if r := get(nil); string(r.Schema.GetSchemaData()) != "one" || string(r.SchemaVersion) != "v0" {
		t.Error(r)
	}
	if r := get([]byte("v9")); r.GetErrorCode() != wire.TopicNotFound {
		t.Error(r)
	}
}

// Broker entry metadata goes to those who ask for it, and to nobody else.
func TestBrokerEntryMetadata(t *testing.T) {
	for _, hide := range []bool{false, true} {
		b := newBroker(t, func(o *Options, _ *topic.Options) { o.HideEntryMetadata = hide })
		asks := b.connect(func(m *pb.Connect) {
			m.FeatureFlags = &pb.FeatureFlags{SupportsBrokerEntryMetadata: proto.Bool(true)}
		})
		plain := b.connect()
		asks.producer(1, aTopic)
		asks.raw(sendFrame(1, 1, []byte("x")))
		asks.receipt()
		for i, c := range []*client{asks, plain} {
			c.subscribe(1, aTopic, fmt.Sprint("s", i), pb.Subscribe_EXCLUSIVE)
			c.flow(1, 1)
			_, _, payload := c.next()
			e, _, found, err := wire.CutBrokerEntry(payload)
			if want := c == asks && !hide; err != nil || found != want || found && (!e.HasIndex || e.Index != 0) {
				t.Errorf("hide %v, client %d: %+v %v %v", hide, i, e, found, err)
			}
		}
	}
}

// A partitioned topic's number is passed on; with auto creation off, what is not there is refused by whoever knows.
func TestPartitionedMetadata(t *testing.T) {
	b := newBroker(t, func(o *Options, _ *topic.Options) {
		o.Partitions = func(_ context.Context, n topic.Name, create bool) (int, error) {
			if n.Local == "parts" {
				return 3, nil
			}
			if !create {
				return 0, fault.TopicNotFound.New("%s", n)
			}
			return 0, nil
		}
	})
	c := b.connect()
	for _, x := range []struct {
		name   string
		create bool
		n      uint32
		err    bool
	}{{"parts", false, 3, false}, {"plain", true, 0, false}, {"plain", false, 0, true}} {
		c.command(wire.TypePartitionedMetadata, &pb.PartitionedMetadata{Topic: &x.name, RequestId: proto.Uint64(1), MetadataAutoCreationEnabled: &x.create})
		r := &pb.PartitionedMetadataResponse{}
		c.expect(wire.TypePartitionedMetadataResponse, r)
		if r.GetPartitions() != x.n || (r.GetError() == wire.TopicNotFound) != x.err {
			t.Errorf("%+v: %v", x, r)
		}
	}
}

// What is asked of a producer or consumer while it is still being made is done when it is.
func TestClosedWhileBeingMade(t *testing.T) {
	for _, fails := range []bool{false, true} {
		hold := make(chan struct{})
		b := newBroker(t, func(_ *Options, to *topic.Options) {
			to.Create = func(ctx context.Context, n topic.Name) error {
				<-hold
				if fails {
					return fault.TopicNotFound.New("%s", n)
				}
				return nil
			}
		})
		c := b.connect()
		name := aTopic
		id := proto.Uint64(1)
		c.command(wire.TypeProducer, &pb.Producer{Topic: &name, ProducerId: id, RequestId: proto.Uint64(10)})
		c.command(wire.TypeProducer, &pb.Producer{Topic: &name, ProducerId: id, RequestId: proto.Uint64(11)})
		e := &pb.Error{}
		if c.expect(wire.TypeError, e); e.GetRequestId() != 11 || e.GetError() != wire.ServiceNotReady {
			t.Error(e)
		}
		c.command(wire.TypeCloseProducer, &pb.CloseProducer{ProducerId: id, RequestId: proto.Uint64(12)})
		kind := pb.Subscribe_SHARED
		c.command(wire.TypeSubscribe, &pb.Subscribe{Topic: &name, Subscription: proto.String("s"), SubType: &kind, ConsumerId: id, RequestId: proto.Uint64(20)})
		c.command(wire.TypeCloseConsumer, &pb.CloseConsumer{ConsumerId: id, RequestId: proto.Uint64(21)})
		s := &pb.Success{}
		if c.expect(wire.TypeSuccess, s); s.GetRequestId() != 21 {
			t.Error(s)
		}
		close(hold)
		answers := map[uint64]wire.Type{}
		for range 3 {
			got, body, _ := c.next()
			m := &pb.Success{} // every answer begins with the request id
			if err := wire.DecodeBody(got, body, m); err != nil && got == wire.TypeSuccess {
				t.Fatal(err)
			}
			answers[m.GetRequestId()] = got
		}
		want := map[uint64]wire.Type{10: wire.TypeProducerSuccess, 12: wire.TypeSuccess, 20: wire.TypeSuccess}
		if fails {
			want[10], want[20] = wire.TypeError, wire.TypeError
		}
		if fmt.Sprint(answers) != fmt.Sprint(want) {
			t.Errorf("fails %v: %v, want %v", fails, answers, want)
		}
		if !fails {
			tp := b.loaded(t, aTopic)
			eventually(t, "both are gone", func() bool {
				return len(tp.Stats().Producers) == 0 && len(tp.Subscription("s").Consumers()) == 0
			})
		}
	}
}

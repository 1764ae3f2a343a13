package server

import (
	"bytes"
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
)

const aTopic = "persistent://public/default/t"

func TestConnectSaysWhatThereIs(t *testing.T) {
	b := newBroker(t)
	for _, version := range []int32{0, 15, wire.ProtocolVersion, wire.ProtocolVersion + 5} {
		c := b.dial()
		c.command(wire.TypeConnect, &pb.Connect{ClientVersion: proto.String("x"), ProtocolVersion: &version})
		m := &pb.Connected{}
		c.expect(wire.TypeConnected, m)
		if m.GetProtocolVersion() != min(version, wire.ProtocolVersion) || m.GetMaxMessageSize() != wire.DefaultMaxMessageSize {
			t.Errorf("version %d: %v", version, m)
		}
		if f := m.GetFeatureFlags(); f.GetSupportsAuthRefresh() || !f.GetSupportsTopicWatchers() || !f.GetSupportsGetPartitionedMetadataWithoutAutoCreation() {
			t.Errorf("flags %v", f)
		}
	}
}

// Messages of all sizes around the buffers' come back as they were sent, in order, and their receipts too.
func TestPublishAndConsume(t *testing.T) {
	b := newBroker(t)
	c := b.connect()
	c.producer(1, aTopic)
	c.subscribe(1, aTopic, "s", pb.Subscribe_EXCLUSIVE)
	sizes := []int{0, 1, 100, 4000, 4096, 4097, 8<<10 - 100, 8 << 10, 20_000, 70_000, 300_000, 2_000_000}
	var out []byte
	bodies := map[int][]byte{}
	for i, n := range sizes {
		bodies[i] = bytes.Repeat([]byte{byte('a' + i)}, n)
		out = append(out, sendFrame(1, uint64(i), bodies[i])...)
	}
	go c.raw(out)
	for i := range sizes {
		if r := c.receipt(); r.SequenceID != uint64(i) || r.Message.Entry != int64(i) {
			t.Fatalf("receipt %d: %+v", i, r)
		}
	}
	c.flow(1, 1000)
	var ack wire.Ack
	for i := range sizes {
		m, body := c.message()
		if m.ID.Entry != int64(i) || !bytes.Equal(body, bodies[i]) {
			t.Fatalf("message %d: %+v, %d bytes", i, m, len(body))
		}
		ack = wire.Ack{ConsumerID: 1, IDs: append(ack.IDs, m.ID), HasRequest: true, RequestID: uint64(i)}
	}
	c.raw(ack.AppendFrame(nil))
	r := &pb.AckResponse{}
	if c.expect(wire.TypeAckResponse, r); r.Error != nil {
		t.Fatal(r)
	}
	c.command(wire.TypeGetLastMessageID, &pb.GetLastMessageId{ConsumerId: proto.Uint64(1), RequestId: proto.Uint64(5)})
	last := &pb.GetLastMessageIdResponse{}
	c.expect(wire.TypeGetLastMessageIDResponse, last)
	if last.LastMessageId.GetEntryId() != uint64(len(sizes)-1) || last.ConsumerMarkDeletePosition.GetEntryId() != uint64(len(sizes)-1) {
		t.Error(last)
	}
}

// One read that brings SENDs for several topics publishes to each.
func TestPublishToManyTopics(t *testing.T) {
	b := newBroker(t)
	c := b.connect()
	const topics, each = 5, 20
	for i := range uint64(topics) {
		c.producer(i, fmt.Sprintf("%s-%d", aTopic, i))
	}
	var out []byte
	for s := range uint64(each) {
		for i := range uint64(topics) {
			out = append(out, sendFrame(i, s, []byte("x"))...)
		}
	}
	c.raw(out)
	next := map[uint64]uint64{}
	for range topics * each {
		r := c.receipt()
		if r.SequenceID != next[r.ProducerID] {
			t.Fatalf("producer %d: %d, want %d", r.ProducerID, r.SequenceID, next[r.ProducerID])
		}
		next[r.ProducerID]++
	}
}

// After a seek the consumer is asked to subscribe again; then the message sought comes first.
func TestSeek(t *testing.T) {
	b := newBroker(t)
	c := b.connect()
	c.producer(1, aTopic)
	c.subscribe(1, aTopic, "s", pb.Subscribe_SHARED)
	var id []wire.MessageID
	for i := range uint64(10) {
		c.raw(sendFrame(1, i, fmt.Append(nil, i)))
		id = append(id, c.receipt().Message)
	}
	c.flow(1, 100)
	var ack wire.Ack
	for range 9 {
		m, _ := c.message()
		ack.IDs = append(ack.IDs, m.ID)
	}
	c.message()
	ack.ConsumerID = 1
	c.raw(ack.AppendFrame(nil))
	c.command(wire.TypeSeek, &pb.Seek{ConsumerId: proto.Uint64(1), RequestId: proto.Uint64(1), MessageId: &pb.MessageId{
		LedgerId: proto.Uint64(uint64(id[4].Ledger)), EntryId: proto.Uint64(uint64(id[4].Entry)),
	}})
	closing := &pb.CloseConsumer{}
	c.expect(wire.TypeCloseConsumer, closing)
	c.expect(wire.TypeSuccess, &pb.Success{})
	c.subscribe(1, aTopic, "s", pb.Subscribe_SHARED)
	c.flow(1, 100)
	for i := 4; i < 10; i++ {
		if _, body := c.message(); string(body) != fmt.Sprint(i) {
			t.Fatalf("%s, want %d", body, i)
		}
	}
}

// A client that subscribes again with a consumer it has has dropped what it was sent: everything it did not acknowledge comes again, and not before
// it grants permits.
func TestSubscribeAgain(t *testing.T) {
	for _, kind := range []pb.Subscribe_SubType{pb.Subscribe_EXCLUSIVE, pb.Subscribe_SHARED, pb.Subscribe_KEY_SHARED} {
		b := newBroker(t)
		p, c := b.connect(), b.connect()
		p.producer(1, aTopic)
		c.subscribe(1, aTopic, "s", kind)
		c.flow(1, 1000)
		next := func(want int64) wire.MessageID {
			t.Helper()
			m, _ := c.message()
			if m.ID.Entry != want {
				t.Fatalf("%v: message %d came, want %d", kind, m.ID.Entry, want)
			}
			return m.ID
		}
		send := func(n uint64) {
			t.Helper()
			p.raw(sendFrame(1, n, []byte("x")))
			p.receipt()
		}
		for n := range uint64(3) {
			send(n)
			id := next(int64(n))
			if n == 0 {
				a := wire.Ack{ConsumerID: 1, IDs: []wire.MessageID{id}}
				c.raw(a.AppendFrame(nil))
			}
		}
		c.subscribe(1, aTopic, "s", kind)
		send(3)
		c.command(wire.TypeGetLastMessageID, &pb.GetLastMessageId{ConsumerId: proto.Uint64(1), RequestId: proto.Uint64(5)})
		c.expect(wire.TypeGetLastMessageIDResponse, &pb.GetLastMessageIdResponse{}) // and no message before: there are no permits
		c.flow(1, 1000)
		for n := int64(1); n < 4; n++ {
			next(n)
		}
	}
}

package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/wire/pb"
)

func lengths(total, command uint32, more ...byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, total)
	return append(binary.BigEndian.AppendUint32(b, command), more...)
}

func TestFrameLengths(t *testing.T) {
	const max = 100
	for _, c := range []struct {
		name string
		in   []byte
		n    int
		bad  bool
	}{
		{"nothing", nil, 0, false},
		{"half a length", []byte{0, 0, 0}, 0, false},
		{"only a total", []byte{0, 0, 0, 9}, 0, false},
		{"cut off", lengths(9, 5, 1, 2), 0, false},
		{"whole", lengths(9, 5, 1, 2, 3, 4, 5), 13, false},
		{"whole with another behind", lengths(9, 5, 1, 2, 3, 4, 5, 0, 0), 13, false},
		{"over the limit", lengths(101, 5), 0, true},
		{"an HTTP request", []byte("GET / HTTP/1.1\r\n"), 0, true},
		{"no room for a command", []byte{0, 0, 0, 3}, 0, true},
		{"no command", lengths(9, 0, 1, 2, 3, 4, 5), 0, true},
		{"command beyond the frame", lengths(9, 6, 1, 2, 3, 4, 5), 0, true},
		{"command of all ones", lengths(9, 0xffffffff, 1, 2, 3, 4, 5), 0, true},
		{"total of four", []byte{0, 0, 0, 4, 0, 0, 0, 0}, 0, true},
	} {
		f, n, err := ParseFrame(c.in, max)
		var fe *FrameError
		if n != c.n || errors.As(err, &fe) != c.bad {
			t.Errorf("%s: %d, %v", c.name, n, err)
		}
		if n > 0 && (len(f.Command) != 5 || len(f.Payload) != 0) {
			t.Errorf("%s: %+v", c.name, f)
		}
	}
}

func TestSplit(t *testing.T) {
	body := []byte{1 << 3, 7}
	for _, c := range []struct {
		name    string
		command []byte
		t       Type
		body    []byte
		bad     bool
	}{
		{"flow", []byte{8, 11, 11<<3 | 2, 2, 8, 7}, TypeFlow, body, false},
		{"body first", []byte{11<<3 | 2, 2, 8, 7, 8, 11}, TypeFlow, body, false},
		{"two-byte tag", []byte{8, 20, 0xa2, 1, 2, 8, 7}, TypeRedeliverUnacknowledged, body, false},
		{"no body", []byte{8, 18}, TypePing, nil, false},
		{"another's body", []byte{8, 11, 12<<3 | 2, 2, 8, 7}, TypeFlow, nil, false},
		{"unknown type", []byte{8, 0xe7, 7}, 999, nil, false},
		{"no type", []byte{11<<3 | 2, 2, 8, 7}, 0, nil, true},
		{"cut off", []byte{8, 11, 11<<3 | 2, 3, 8, 7}, 0, nil, true},
		{"empty", nil, 0, nil, true},
	} {
		kind, got, err := Split(c.command)
		if (err != nil) != c.bad || err == nil && (kind != c.t || !bytes.Equal(got, c.body)) {
			t.Errorf("%s: %v %x %v", c.name, kind, got, err)
		}
	}
}

// A body over 127 bytes needs a longer length than the one byte left for it.
func TestLongBodies(t *testing.T) {
	for _, words := range []int{0, 1, 9, 12, 13, 14, 200, 2000} {
		set := make([]int64, words)
		for i := range set {
			set[i] = -1 - int64(i)
		}
		a := Ack{ConsumerID: 3, RequestID: 9, HasRequest: true, IDs: []MessageID{
			{Ledger: 1, Entry: 2, Partition: -1, BatchIndex: -1, AckSet: set, BatchSize: 7},
			{Ledger: 4, Entry: 5, Partition: 6, BatchIndex: 7},
		}}
		out := a.AppendFrame([]byte("before"))
		f, n, err := ParseFrame(out[6:], DefaultMaxMessageSize)
		if err != nil || n != len(out)-6 {
			t.Fatalf("%d words: %d, %v", words, n, err)
		}
		_, body, err := Split(f.Command)
		if err != nil {
			t.Fatal(err)
		}
		var got Ack
		if err := got.Decode(body); err != nil {
			t.Fatal(err)
		}
		if len(got.IDs) != 2 || len(got.IDs[0].AckSet) != words || got.IDs[1].AckSet != nil || got.IDs[1].BatchIndex != 7 {
			t.Fatalf("%d words: %+v", words, got)
		}
		for i, w := range got.IDs[0].AckSet {
			if w != set[i] {
				t.Fatalf("%d words: word %d is %d", words, i, w)
			}
		}
	}
}

// Some clients pack the words of an ack set.
func TestPackedAckSet(t *testing.T) {
	id := []byte{1 << 3, 1, 2 << 3, 2, 5<<3 | 2, 2, 5, 6}
	body := append([]byte{1 << 3, 3, 2 << 3, 0, 3<<3 | 2, byte(len(id))}, id...)
	var a Ack
	if err := a.Decode(body); err != nil {
		t.Fatal(err)
	}
	if len(a.IDs) != 1 || len(a.IDs[0].AckSet) != 2 || a.IDs[0].AckSet[1] != 6 {
		t.Errorf("%+v", a)
	}
}

func TestMissingFieldsAreRefused(t *testing.T) {
	var bad *MalformedError
	for name, err := range map[string]error{
		"SEND":         new(Send).Decode([]byte{1 << 3, 7}),
		"SEND of none": new(Send).Decode([]byte{1 << 3, 7, 2 << 3, 7, 3 << 3, 0}),
		"wire type":    new(Send).Decode([]byte{1<<3 | 2, 1, 7, 2 << 3, 7}),
		"RECEIPT":      new(SendReceipt).Decode([]byte{2 << 3, 7}),
		"SEND_ERROR":   new(SendError).Decode([]byte{1 << 3, 7, 2 << 3, 7, 3 << 3, 1}),
		"MESSAGE":      new(Message).Decode([]byte{1 << 3, 7}),
		"MESSAGE id":   new(Message).Decode([]byte{1 << 3, 7, 2<<3 | 2, 2, 1 << 3, 7}),
		"ACK":          new(Ack).Decode([]byte{1 << 3, 7}),
		"ACK type":     new(Ack).Decode([]byte{1 << 3, 7, 2 << 3, 2}),
		"FLOW":         new(Flow).Decode(nil),
		"LOOKUP":       DecodeBody(TypeLookup, []byte{2 << 3, 1}, &pb.Lookup{}),
		"metadata":     new(Metadata).Decode([]byte{2 << 3, 1}),
	} {
		if !errors.As(err, &bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The protocol's limit on ids keeps a small frame from asking for much memory.
func TestTooManyAckIDs(t *testing.T) {
	body := []byte{1 << 3, 3, 2 << 3, 0}
	body = append(body, bytes.Repeat([]byte{3<<3 | 2, 4, 1 << 3, 1, 2 << 3, 2}, maxAckIDs)...)
	var a Ack
	if err := a.Decode(body); err != nil {
		t.Fatal(err)
	}
	if err := a.Decode(append(body, 3<<3|2, 4, 1<<3, 1, 2<<3, 2)); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Error(err)
	}
	if err := a.Decode(body[:10]); err != nil || cap(a.IDs) > 4096 {
		t.Errorf("%v, room for %d ids is kept", err, cap(a.IDs))
	}
}

func TestAppendCommand(t *testing.T) {
	m := &pb.Success{RequestId: proto.Uint64(5)}
	out := AppendCommand([]byte("x"), TypeSuccess, m)
	f, n, err := ParseFrame(out[1:], 1000)
	if err != nil || n != len(out)-1 {
		t.Fatal(n, err)
	}
	kind, body, err := Split(f.Command)
	got := &pb.Success{}
	if err != nil || kind != TypeSuccess || DecodeBody(kind, body, got) != nil || got.GetRequestId() != 5 {
		t.Error(kind, err, got)
	}
}

// The hot path neither decodes nor encodes with an allocation.
func TestHotCommandsDoNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 4096)
	var ack, gotAck Ack
	for i := range 8 {
		ack.IDs = append(ack.IDs, MessageID{Ledger: 1, Entry: int64(i), Partition: -1, BatchIndex: -1, AckSet: []int64{-2, 1}})
	}
	send := Send{ProducerID: 1, SequenceID: 300, NumMessages: 100, Highest: 400}
	msg := Message{ConsumerID: 2, ID: MessageID{Ledger: 9, Entry: 8, Partition: -1, BatchIndex: -1}, AckSet: []int64{7}}
	receipt := SendReceipt{ProducerID: 1, SequenceID: 300, Message: msg.ID}
	flow := Flow{1, 1000}
	var gotSend Send
	var gotMsg Message
	var gotReceipt SendReceipt
	var gotFlow Flow
	body := func(frame []byte) []byte {
		f, _, err := ParseFrame(frame, len(buf)+1<<16)
		if err != nil {
			t.Fatal(err)
		}
		_, b, err := Split(f.Command)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	once := func() {
		ok := gotSend.Decode(body(send.AppendFrame(buf, 0))) == nil &&
			gotMsg.Decode(body(msg.AppendFrame(buf, 0))) == nil &&
			gotReceipt.Decode(body(receipt.AppendFrame(buf))) == nil &&
			gotFlow.Decode(body(flow.AppendFrame(buf))) == nil &&
			gotAck.Decode(body(ack.AppendFrame(buf))) == nil
		if !ok {
			t.Fatal("a hot command was not read back")
		}
		buf = AppendPong(AppendPing(buf[:0]))[:0]
	}
	once()
	if n := testing.AllocsPerRun(100, once); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if gotSend.Highest != send.Highest || gotSend.NumMessages != 100 || gotFlow != flow || len(gotAck.IDs) != 8 || gotAck.IDs[7].AckSet[1] != 1 {
		t.Error("read back differently")
	}
}

func TestEntryMetadataDoesNotAllocate(t *testing.T) {
	m := Metadata{ProducerName: []byte("p"), SequenceID: 1, PublishTime: 2, PartitionKey: []byte("k"), Batch: true, Messages: 2}
	m.SetProperties([]KeyValue{{"a", "1"}, {"b", "2"}})
	buf := make([]byte, 0, 1024)
	var got Metadata
	total := 0
	if n := testing.AllocsPerRun(100, func() {
		b := BrokerEntry{Timestamp: 5, Index: 7, HasTimestamp: true, HasIndex: true}.Append(buf)
		b = AppendPayload(b, &m, []byte("body"))
		_, rest, found, err := CutBrokerEntry(b)
		if err != nil || !found {
			t.Fatal(err)
		}
		p, err := ParsePayload(rest)
		if err != nil || p.Verify() != nil || got.Decode(p.Metadata) != nil {
			t.Fatal(err)
		}
		for k, v := range got.Properties() {
			total += len(k) + len(v)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if !got.Batch || got.Messages != 2 || string(got.PartitionKey) != "k" || total == 0 {
		t.Errorf("%+v", got)
	}
}

func TestDamagedPayload(t *testing.T) {
	good := AppendPayload(nil, &Metadata{ProducerName: []byte("p"), SequenceID: 1, PublishTime: 2}, []byte("hello"))
	for i := range good {
		for bit := range 8 {
			b := bytes.Clone(good)
			b[i] ^= 1 << bit
			p, err := ParsePayload(b)
			if err == nil && i >= 2 { // a changed magic reads as an entry without a checksum
				err = p.Verify()
			}
			if err == nil && i >= 2 {
				t.Errorf("bit %d of byte %d flipped, nobody noticed", bit, i)
			}
		}
	}
	if p, err := ParsePayload(good); err != nil || p.Verify() != nil || string(p.Body) != "hello" {
		t.Error(err)
	}
}

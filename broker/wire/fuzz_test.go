package wire

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/wire/pb"
)

const fuzzMax = 1 << 20

func seedFrames(f *testing.F) {
	for _, g := range loadGolden(f, "frames.jsonl") {
		f.Add(g.bytes)
	}
	f.Add(lengths(0xffffffff, 1))
	f.Add(lengths(4, 0))
}

// Whatever arrives is cut into frames or refused; what the hand-coded decoders accept they write back so that the generated decoder
// reads the same.
func FuzzFrame(f *testing.F) {
	seedFrames(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, n, err := ParseFrame(b, fuzzMax)
		if err != nil || n == 0 {
			return
		}
		if n > len(b) || len(frame.Command)+len(frame.Payload)+frameHeader != n {
			t.Fatalf("%d bytes of %d: %d + %d", n, len(b), len(frame.Command), len(frame.Payload))
		}
		kind, body, err := Split(frame.Command)
		if err != nil {
			return
		}
		if m, ok := hot(kind); ok {
			checkHot(t, kind, body, m)
			return
		}
		if c := newBody(kind); c != nil && DecodeBody(kind, body, c) == nil {
			AppendCommand(nil, kind, c)
		}
	})
}

type hotCommand interface{ Decode(body []byte) error }

func hot(kind Type) (hotCommand, bool) {
	switch kind {
	case TypeSend:
		return new(Send), true
	case TypeSendReceipt:
		return new(SendReceipt), true
	case TypeSendError:
		return new(SendError), true
	case TypeMessage:
		return new(Message), true
	case TypeAck:
		return new(Ack), true
	case TypeFlow:
		return new(Flow), true
	}
	return nil, false
}

func newBody(kind Type) proto.Message {
	m := (&pb.BaseCommand{}).ProtoReflect()
	fd := m.Descriptor().Fields().ByNumber(protoNumber(kind))
	if fd == nil || fd.Message() == nil {
		return nil
	}
	return m.NewField(fd).Message().Interface()
}

// checkHot holds the hand-coded decoder to the generated one: what both accept means the same after being written again.
func checkHot(t *testing.T, kind Type, body []byte, c hotCommand) {
	if c.Decode(body) != nil {
		return
	}
	want := newBody(kind)
	if proto.Unmarshal(body, want) != nil {
		return // the generated decoder minds more, such as unknown fields that are broken
	}
	out, _ := recode(t, kind, body, 0)
	frame, _, err := ParseFrame(out, len(out))
	if err != nil {
		t.Fatal(err)
	}
	_, again, err := Split(frame.Command)
	if err != nil {
		t.Fatal(err)
	}
	got := newBody(kind)
	if err := proto.Unmarshal(again, got); err != nil {
		t.Fatal(err)
	}
	reduce(want)
	reduce(got)
	if !proto.Equal(want, got) {
		t.Fatalf("%s\nread    %v\nwritten %v", kind, want, got)
	}
}

// reduce drops what the hand-coded commands do not keep.
func reduce(m proto.Message) {
	dropDefaults(m.ProtoReflect())
	switch c := m.(type) {
	case *pb.Send:
		if c.MessageId != nil {
			c.MessageId.AckSet, c.MessageId.FirstChunkMessageId = nil, nil
		}
		if c.TxnidLeastBits == nil && c.TxnidMostBits == nil {
			break
		}
		c.TxnidLeastBits, c.TxnidMostBits = proto.Uint64(c.GetTxnidLeastBits()), proto.Uint64(c.GetTxnidMostBits())
	case *pb.SendReceipt:
		if c.MessageId == nil {
			c.MessageId = &pb.MessageId{LedgerId: proto.Uint64(^uint64(0)), EntryId: proto.Uint64(^uint64(0))}
		}
		c.MessageId.AckSet, c.MessageId.FirstChunkMessageId = nil, nil
	case *pb.Message:
		c.MessageId.AckSet, c.MessageId.FirstChunkMessageId = nil, nil
	case *pb.Ack:
		if c.TxnidLeastBits != nil || c.TxnidMostBits != nil {
			c.TxnidLeastBits, c.TxnidMostBits = proto.Uint64(c.GetTxnidLeastBits()), proto.Uint64(c.GetTxnidMostBits())
		}
		c.Properties = nil
		for _, id := range c.MessageId {
			id.FirstChunkMessageId = nil
		}
	}
	dropDefaults(m.ProtoReflect())
}

// Whatever is stored is cut into its parts or refused.
func FuzzEntry(f *testing.F) {
	for _, g := range loadGolden(f, "entries.jsonl") {
		f.Add(g.bytes)
	}
	f.Add([]byte{0x0e, 0x02, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0x0e, 0x01, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, rest, _, err := CutBrokerEntry(b)
		if err != nil {
			return
		}
		p, err := ParsePayload(rest)
		if err != nil {
			return
		}
		_ = p.Verify()
		var m Metadata
		if m.Decode(p.Metadata) != nil {
			return
		}
		n := 0
		for range m.Properties() {
			n++
		}
		if n != m.NumProperties() {
			t.Fatalf("%d properties walked, %d counted", n, m.NumProperties())
		}
		var again Metadata
		if err := again.Decode(m.Append(nil)); err != nil || again.SequenceID != m.SequenceID || again.Batch != m.Batch || again.Messages != m.Messages {
			t.Fatalf("written again: %v", err)
		}
		body, err := m.Compression.Decompress(nil, p.Body, m.Uncompressed, fuzzMax)
		if err != nil || !m.Batch {
			return
		}
		var s Single
		_ = EachSingle(body, m.Messages, &s, func(int32) error { return nil })
	})
}

// A batch is walked over or refused, and what was read is written so that it reads the same.
func FuzzBatch(f *testing.F) {
	one := Single{PartitionKey: []byte("k"), Payload: []byte("v")}
	f.Add(one.Append(one.Append(nil)))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0, 0, 0, 2, 3 << 3, 0x7f})
	f.Fuzz(func(t *testing.T, b []byte) {
		var s Single
		for {
			n, err := s.Decode(b)
			if err != nil {
				return
			}
			if n < 4 || n > len(b) {
				t.Fatalf("took %d of %d bytes", n, len(b))
			}
			var again Single
			k, err := again.Decode(s.Append(nil))
			if err != nil || k == 0 || string(again.Payload) != string(s.Payload) || string(again.PartitionKey) != string(s.PartitionKey) {
				t.Fatalf("written again: %v", err)
			}
			b = b[n:]
		}
	})
}

package wire

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/wire/pb"
)

// testdata/frames.jsonl and entries.jsonl were recorded between Apache Pulsar 4.0.8 and its Go client.
type golden struct {
	Dir, Type    string
	Topic, Phase string
	Hex          string
	bytes        []byte
}

func loadGolden(t testing.TB, name string) []golden {
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []golden
	for s := bufio.NewScanner(f); s.Scan(); {
		var g golden
		if err := json.Unmarshal(s.Bytes(), &g); err != nil {
			t.Fatal(err)
		}
		if g.bytes, err = hex.DecodeString(g.Hex); err != nil {
			t.Fatal(err)
		}
		all = append(all, g)
	}
	if len(all) == 0 {
		t.Fatal(name, "is empty")
	}
	return all
}

// Every recorded frame is parsed, has the type it was recorded with, and the generated messages write the same bytes again.
func TestGoldenFrames(t *testing.T) {
	for _, g := range loadGolden(t, "frames.jsonl") {
		f, n, err := ParseFrame(g.bytes, DefaultMaxMessageSize+FramePadding)
		if err != nil || n != len(g.bytes) {
			t.Fatalf("%s: %d of %d bytes, %v", g.Type, n, len(g.bytes), err)
		}
		kind, body, err := Split(f.Command)
		if err != nil || kind.String() != g.Type {
			t.Fatalf("%s: %v, %v", g.Type, kind, err)
		}
		whole := &pb.BaseCommand{}
		if err := proto.Unmarshal(f.Command, whole); err != nil {
			t.Fatalf("%s: %v", g.Type, err)
		}
		m := whole.ProtoReflect()
		part := m.Get(m.Descriptor().Fields().ByNumber(protoNumber(kind))).Message()
		if err := DecodeBody(kind, body, part.New().Interface()); err != nil {
			t.Errorf("%s: %v", g.Type, err)
		}
		if len(part.GetUnknown()) > 0 {
			t.Errorf("%s: unknown fields %x", g.Type, part.GetUnknown())
		}
		again := append(AppendCommand(nil, kind, part.Interface()), f.Payload...)
		if len(f.Payload) > 0 {
			copy(again[:4], g.bytes[:4]) // AppendCommand knows of no payload
		}
		if !bytes.Equal(again, g.bytes) {
			t.Errorf("%s: written again\n%x\nrecorded\n%x", g.Type, again, g.bytes)
		}
	}
}

// The hand-coded commands read recorded frames as the generated messages do, and write frames that mean the same.
func TestGoldenHotCommands(t *testing.T) {
	seen := map[Type]int{}
	for _, g := range loadGolden(t, "frames.jsonl") {
		f, _, err := ParseFrame(g.bytes, DefaultMaxMessageSize+FramePadding)
		if err != nil {
			t.Fatal(err)
		}
		kind, body, err := Split(f.Command)
		if err != nil {
			t.Fatal(err)
		}
		again, ok := recode(t, kind, body, len(f.Payload))
		if !ok {
			continue
		}
		seen[kind]++
		again = append(again, f.Payload...)
		f2, n, err := ParseFrame(again, DefaultMaxMessageSize+FramePadding)
		if err != nil || n != len(again) {
			t.Fatalf("%s: %d of %d bytes, %v", g.Type, n, len(again), err)
		}
		if !bytes.Equal(f2.Payload, f.Payload) {
			t.Errorf("%s: another payload", g.Type)
		}
		want, got := explicit(t, f.Command), explicit(t, f2.Command)
		if !proto.Equal(want, got) {
			t.Errorf("%s:\nrecorded %v\nagain    %v", g.Type, want, got)
		}
	}
	for _, kind := range []Type{TypeSend, TypeSendReceipt, TypeMessage, TypeAck, TypeFlow, TypePing, TypePong} {
		if seen[kind] == 0 {
			t.Errorf("no %s among the recorded frames", kind)
		}
	}
}

// recode decodes body by hand and encodes it again; false for commands that are not hand-coded.
func recode(t testing.TB, kind Type, body []byte, payload int) ([]byte, bool) {
	var err error
	var out []byte
	switch kind {
	case TypeSend:
		var c Send
		err = c.Decode(body)
		out = c.AppendFrame(nil, payload)
	case TypeSendReceipt:
		var c SendReceipt
		err = c.Decode(body)
		out = c.AppendFrame(nil)
	case TypeSendError:
		var c SendError
		err = c.Decode(body)
		out = c.AppendFrame(nil)
	case TypeMessage:
		var c Message
		err = c.Decode(body)
		out = c.AppendFrame(nil, payload)
	case TypeAck:
		var c Ack
		err = c.Decode(body)
		out = c.AppendFrame(nil)
	case TypeFlow:
		var c Flow
		err = c.Decode(body)
		out = c.AppendFrame(nil)
	case TypePing:
		out = AppendPing(nil)
	case TypePong:
		out = AppendPong(nil)
	default:
		return nil, false
	}
	if err != nil {
		t.Fatalf("%s: %v", kind, err)
	}
	return out, true
}

// explicit decodes a BaseCommand and drops optional fields that hold their default: writing them or not means the same.
func explicit(t testing.TB, command []byte) *pb.BaseCommand {
	c := &pb.BaseCommand{}
	if err := proto.Unmarshal(command, c); err != nil {
		t.Fatal(err)
	}
	dropDefaults(c.ProtoReflect())
	return c
}

func TestGoldenEntries(t *testing.T) {
	indexed := 0
	for _, g := range loadGolden(t, "entries.jsonl") {
		name := g.Topic + " " + g.Phase
		broker, rest, found, err := CutBrokerEntry(g.bytes)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if found != (g.Phase == "v3") || found && (!broker.HasIndex || !broker.HasTimestamp) {
			t.Errorf("%s: broker entry metadata %+v, found %v", name, broker, found)
		}
		if n := BrokerEntrySize(g.bytes); n != len(g.bytes)-len(rest) {
			t.Errorf("%s: %d bytes of broker entry metadata", name, n)
		}
		if found {
			indexed++
			if again := broker.Append(nil); !bytes.Equal(again, g.bytes[:len(g.bytes)-len(rest)]) {
				t.Errorf("%s: broker entry metadata written again as %x", name, again)
			}
		}
		p, err := ParsePayload(rest)
		if err != nil || !p.HasChecksum {
			t.Fatalf("%s: %+v, %v", name, p, err)
		}
		if err := p.Verify(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var m Metadata
		if err := m.Decode(p.Metadata); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		sameMetadata(t, name, &m, p.Metadata)
		if m.Encrypted {
			continue
		}
		open, err := m.Compression.Decompress(nil, p.Body, m.Uncompressed, 1<<20)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !m.Batch {
			continue
		}
		var again []byte
		var s Single
		messages := int32(0)
		if err := EachSingle(open, m.Messages, &s, func(i int32) error {
			messages++
			var pairs []KeyValue
			for k, v := range s.Properties() {
				pairs = append(pairs, KeyValue{string(k), string(v)})
			}
			w := s
			w.SetProperties(pairs)
			again = w.Append(again)
			return nil
		}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if messages != m.Messages || !bytes.Equal(again, open) {
			t.Errorf("%s: %d messages, written again\n%x\nrecorded\n%x", name, messages, again, open)
		}
	}
	if indexed == 0 {
		t.Error("no entry with broker entry metadata")
	}
}

// sameMetadata compares the hand-decoded metadata with the generated message, and what Append writes too.
func sameMetadata(t testing.TB, name string, m *Metadata, raw []byte) {
	t.Helper()
	want := &pb.MessageMetadata{}
	if err := proto.Unmarshal(raw, want); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var pairs []KeyValue
	for k, v := range m.Properties() {
		pairs = append(pairs, KeyValue{string(k), string(v)})
	}
	if len(pairs) != m.NumProperties() || len(pairs) != len(want.Properties) {
		t.Errorf("%s: %d properties, counted %d, want %d", name, len(pairs), m.NumProperties(), len(want.Properties))
	}
	if m.Encrypted != (len(want.EncryptionKeys) > 0) {
		t.Errorf("%s: encrypted %v", name, m.Encrypted)
	}
	m.SetProperties(pairs)
	got := &pb.MessageMetadata{}
	if err := proto.Unmarshal(m.Append(nil), got); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	want.EncryptionKeys, want.EncryptionAlgo, want.EncryptionParam = nil, nil, nil
	want.ReplicateTo, want.CompactedBatchIndexes, want.SchemaId = nil, nil, nil
	batch := want.NumMessagesInBatch
	dropDefaults(want.ProtoReflect())
	dropDefaults(got.ProtoReflect())
	if m.Batch != (batch != nil) {
		t.Errorf("%s: batch %v", name, m.Batch)
	}
	if !proto.Equal(want, got) {
		t.Errorf("%s:\nrecorded %v\nagain    %v", name, want, got)
	}
}

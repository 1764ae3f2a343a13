package topicio

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/connectors"
)

func chunk(uuid string, id, of int32) *wire.Metadata {
	return &wire.Metadata{UUID: []byte(uuid), ChunkID: id, Chunks: of, ChunkSize: of}
}

func TestChunksArePutTogether(t *testing.T) {
	var c chunks
	add := func(m *wire.Metadata, entry int64) (string, int) {
		whole, drop := c.add(m, wire.MessageID{Entry: entry}, []byte{byte('a' + m.ChunkID)})
		if whole == nil {
			return "", len(drop)
		}
		return fmt.Sprintf("%s of %d entries", whole.body, len(whole.ids)), len(drop)
	}
	for i, step := range []struct {
		m    *wire.Metadata
		want string
		drop int
	}{
		{chunk("x", 0, 3), "", 0},
		{chunk("y", 0, 2), "", 0},
		{chunk("x", 1, 3), "", 0},
		{chunk("y", 1, 2), "ab of 2 entries", 0},
		{chunk("x", 1, 3), "", 1}, // by the producer again
		{chunk("z", 1, 2), "", 1}, // its start was never seen
		{chunk("x", 0, 3), "", 2}, // from the start again: the parts so far are done with
		{chunk("x", 1, 3), "", 0},
		{chunk("x", 2, 3), "abc of 3 entries", 0},
	} {
		if got, drop := add(step.m, int64(i)); got != step.want || drop != step.drop {
			t.Errorf("step %d: %q with %d dropped, want %q with %d", i, got, drop, step.want, step.drop)
		}
	}
	for i := range 3 * maxChunked { // starts without ends do not pile up
		add(chunk(fmt.Sprint("u", i), 0, 2), int64(i))
	}
	if len(c.open) > maxChunked || len(c.order) != len(c.open) || c.bytes != len(c.open) {
		t.Errorf("%d open, %d in order, %d bytes", len(c.open), len(c.order), c.bytes)
	}
}

func TestAnAckSetSaysWhichMessagesAreLeft(t *testing.T) {
	set := []int64{-2, 1} // message 0 and those from 65 on are acknowledged
	for i, want := range map[int32]bool{0: true, 1: false, 63: false, 64: false, 65: true, 200: true} {
		if acked(set, i) != want {
			t.Errorf("message %d: acknowledged %v", i, !want)
		}
	}
	if acked(nil, 0) {
		t.Error("without a set nothing is acknowledged")
	}
}

func TestKeysOfAnyBytesTravel(t *testing.T) {
	for _, k := range []string{"plain", "", "Ärger", "\xff\x00\x01", "aGVsbG8="} {
		r := connectors.Record{Key: []byte(k), HasKey: true}
		text, b64 := keyText(&r)
		got, ok := key(text, b64, false)
		if !ok || string(got) != k {
			t.Errorf("%q came back as %q %v", k, got, ok)
		}
	}
	if text, _ := keyText(&connectors.Record{}); text != nil {
		t.Error("a record without a key got one")
	}
}

// String hashes of Java, as other clients route by.
func TestRoutesAsOtherClientsDo(t *testing.T) {
	for k, want := range map[string]uint32{"": 0, "a": 97, "hello": 99162322, "customer-7": 0x5bd8cb69} {
		if k == "customer-7" {
			var h int32
			for _, c := range []byte(k) {
				h = 31*h + int32(c)
			}
			want = uint32(h)
		}
		if got := javaStringHash([]byte(k)); got != want {
			t.Errorf("%q: %d, want %d", k, got, want)
		}
	}
	tg := target{parts: make([]string, 4)}
	a := connectors.Record{Sequence: 7}
	if tg.route(&a, 0) != tg.route(&a, 5) {
		t.Error("a record sent again went to another partition")
	}
}

// entryOf builds one entry with the sink's own code and returns its bytes.
func entryOf(t testing.TB, records []connectors.Record) []byte {
	t.Helper()
	s := NewSink(SinkOptions{})
	p := &producer{conn: &conn{maxMessage: wire.DefaultMaxMessageSize}, name: "p", last: -1}
	list := make([]int, len(records))
	for i := range list {
		list[i] = i
	}
	f := newFlight(1)
	if err := s.send(records, list, p, 1, f); err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(s.entry)
}

// readEntry reads an entry with the source's own code.
func readEntry(entry []byte) ([]connectors.Record, error) {
	s := NewSource(SourceOptions{MaxEntry: 1 << 20})
	s.inbox = newInbox(1 << 20)
	from := &consumer{conn: &conn{}, into: s.inbox, ahead: 1 << 30, ordered: true, topic: "persistent://t/n/in"}
	b := &batch{}
	err := s.add(context.Background(), b, &arrival{from: from, payload: entry})
	return b.records, err
}

func TestWhatTheSinkSendsTheSourceReads(t *testing.T) {
	for _, n := range []int{1, 2, 100} {
		var want []connectors.Record
		for i := range n {
			r := connectors.Record{Payload: make([]byte, rand.IntN(50)), EventTime: int64(i), Properties: []connectors.Property{{Key: "i", Value: fmt.Sprint(i)}, {Key: "i", Value: "again"}}}
			if i%3 == 0 {
				r.Key, r.HasKey = []byte(fmt.Sprint("k", i)), true
			}
			if i%5 == 4 {
				r.Payload, r.Null = nil, true
			}
			want = append(want, r)
		}
		got, err := readEntry(entryOf(t, want))
		if err != nil || len(got) != n {
			t.Fatalf("%d of %d records, %v", len(got), n, err)
		}
		for i := range got {
			g := connectors.Record{Payload: got[i].Payload, EventTime: got[i].EventTime, Properties: got[i].Properties, Key: got[i].Key, HasKey: got[i].HasKey, Null: got[i].Null}
			if len(g.Payload) == 0 && len(want[i].Payload) == 0 {
				g.Payload = want[i].Payload
			}
			if d := cmp.Diff(want[i], g); d != "" {
				t.Errorf("record %d of %d: %s", i, n, d)
			}
		}
	}
}

func FuzzEntry(f *testing.F) {
	f.Add(entryOf(f, []connectors.Record{{Payload: []byte("x"), Key: []byte("k"), HasKey: true}}))
	f.Add(entryOf(f, []connectors.Record{{Payload: []byte("x")}, {Payload: []byte("y"), Properties: []connectors.Property{{Key: "a", Value: "b"}}}}))
	f.Add([]byte{0x0e, 0x02, 0, 0, 0, 2, 0x10, 5, 0x0e, 0x01})
	f.Fuzz(func(t *testing.T, data []byte) {
		records, err := readEntry(data)
		if err == nil && len(records) == 0 {
			t.Skip("a chunk, or all of it acknowledged")
		}
	})
}

func FuzzFrame(f *testing.F) {
	f.Add(wire.AppendPing(nil))
	receipt := wire.SendReceipt{ProducerID: 1, SequenceID: 2, Message: wire.NoMessageID}
	f.Add(receipt.AppendFrame(nil))
	f.Add([]byte{0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &conn{maxMessage: 1 << 16, requests: map[uint64]chan reply{}, producers: map[uint64]*producer{}, consumers: map[uint64]*consumer{}}
		fr, err := c.readFrame(bufio.NewReader(bytes.NewReader(data)), nil)
		if err != nil {
			return
		}
		if kind, _, err := wire.Split(fr.Command); err == nil && kind == wire.TypePing {
			return // would be answered on a connection that is none
		}
		_ = c.dispatch(fr)
	})
}

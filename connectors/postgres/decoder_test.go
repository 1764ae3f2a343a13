package postgres

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"os"
	"testing"
)

// recordedChanges are the messages of pgoutput that PostgreSQL 18.4 sent for two inserts into a table o2, an update and a delete
// under REPLICA IDENTITY FULL, and a truncate: each transaction with its Begin and Commit.
func recordedChanges(t testing.TB) [][]byte {
	t.Helper()
	data, err := os.ReadFile("testdata/pgoutput.hex")
	if err != nil {
		t.Fatal(err)
	}
	var list [][]byte
	for line := range bytes.Lines(data) {
		msg, err := hex.DecodeString(string(bytes.TrimSpace(line)))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, msg)
	}
	return list
}

var o2 = shape{Table: table{"public", "o2"}, Topic: "outbox." + placeholder, Headers: []header{{"bin", "raw"}},
	Columns: columns{ID: "id", AggregateType: "aggregatetype", AggregateID: "aggregateid", Payload: "payload", Timestamp: "at"}}

// inWAL is a change as it comes in a CopyData message.
func inWAL(change []byte) []byte {
	return append(append([]byte{'w'}, make([]byte, 24)...), change...)
}

func decoderFor(t testing.TB, s shape) *decoder {
	t.Helper()
	r, err := parseRoute(s.Topic, "t", "n")
	if err != nil {
		t.Fatal(err)
	}
	tr := newTracker(position{lsn: 1, row: 100})
	d := newDecoder(s, r, tr, func(oid uint32) (uint32, error) { return oid, nil })
	d.batch = tr.batch()
	return d
}

func TestDecoderReadsWhatPostgresSent(t *testing.T) {
	d := decoderFor(t, o2)
	for _, change := range recordedChanges(t) {
		if err := d.copyData(inWAL(change), 0); err != nil {
			t.Fatalf("%q: %v", change, err)
		}
	}
	b := d.batch.seal()
	if len(b.Records) != 2 {
		t.Fatalf("%d records", len(b.Records))
	}
	want := got{topic: "persistent://t/n/outbox.Order", key: "42", value: `{"a": 1}`, sequence: 101, eventTime: 1714979289000,
		properties: `id=406c07f3-26f0-4eea-a50c-109940064b8f;raw=\x00ff;`}
	if g := copyOf(b.Records[0]); g != want {
		t.Errorf("got %+v\nwant %+v", g, want)
	}
	if g := copyOf(b.Records[1]); g.null != true || g.key != "k" || g.sequence != 102 || g.topic != "" || g.reject == "" || g.properties != "" {
		t.Errorf("got %+v", g)
	}
	if d.ignored != (counts{updates: 1, deletes: 1, truncates: 1}) {
		t.Errorf("counted %+v", d.ignored)
	}
	if d.batch.mark != (position{lsn: 0x17e12a0, row: 102}) {
		t.Errorf("the position after the last commit is %+v", d.batch.mark)
	}
}

// A position lies only where a transaction has ended: neither inside one nor, by what the server says about its WAL, ahead of its rows.
func TestDecoderPassesOnlyWholeTransactions(t *testing.T) {
	changes := recordedChanges(t)
	keepAlive := func(end uint64, reply byte) []byte {
		return append(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64([]byte{'k'}, end), 0), reply)
	}
	d := decoderFor(t, o2)
	for _, m := range [][]byte{inWAL(changes[0]), inWAL(changes[1]), keepAlive(0x9999999, 1), inWAL(changes[2])} {
		if err := d.copyData(m, 0); err != nil {
			t.Fatal(err)
		}
	}
	if d.passed != 1 || d.batch.mark.lsn != 0 {
		t.Errorf("inside a transaction the position moved to %v, the batch's to %v", d.passed, d.batch.mark)
	}
	if _, _, reply := d.tracker.progress(); !reply {
		t.Error("the server's wish for a reply was not passed on")
	}
	d.batch = d.tracker.batch() // as if handed out
	for _, m := range [][]byte{inWAL(changes[4]), keepAlive(0x9999999, 0)} {
		if err := d.copyData(m, 0); err != nil {
			t.Fatal(err)
		}
	}
	if pos, _, reply := d.tracker.progress(); pos != (position{lsn: 0x9999999, row: 101}) || reply {
		t.Errorf("after the transaction the position is %v", pos)
	}
}

func TestDecoderAllocatesNothingPerRow(t *testing.T) {
	d := decoderFor(t, o2)
	changes := recordedChanges(t)
	for _, change := range changes[:2] {
		if err := d.copyData(inWAL(change), 0); err != nil {
			t.Fatal(err)
		}
	}
	insert, tr := inWAL(changes[2]), d.tracker
	fill := func() {
		for range 1000 {
			if err := d.copyData(insert, 0); err != nil {
				t.Fatal(err)
			}
		}
		sealed := d.batch.seal()
		tr.handOut(d.batch)
		if err := sealed.Ack(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		d.batch = tr.batch()
	}
	fill()
	if n := testing.AllocsPerRun(10, fill); n > 5 {
		t.Errorf("a batch of 1000 rows makes %v allocations", n)
	}
}

// Whatever the bytes, decoding ends with rows or an error, and takes no more memory than there are bytes.
func FuzzDecoder(f *testing.F) {
	var stream []byte
	for _, change := range recordedChanges(f) {
		stream = append(stream, message('d', inWAL(change))...)
	}
	f.Add(stream, 0)
	f.Add(message('d', append([]byte{'k'}, make([]byte, 17)...)), 0)
	f.Add(stream, 9)
	f.Fuzz(func(t *testing.T, stream []byte, cut int) {
		d := decoderFor(t, o2)
		fr := newFramer(&pieces{data: stream})
		if fr.fill(frameHeader) != nil {
			return
		}
		for {
			m, ok, err := fr.next()
			if err != nil || !ok {
				break
			}
			if d.copyData(m.body, max(cut, 0)) != nil {
				break
			}
		}
		b := d.batch.seal()
		size := 0
		for i, r := range b.Records {
			size += len(r.Key) + len(r.Payload)
			for _, p := range r.Properties {
				size += len(p.Value)
			}
			if r.Sequence != uint64(101+i) || r.Reject == "" && r.Topic == "" {
				t.Fatalf("record %d is %+v", i, r)
			}
		}
		// One column may be used several times: key, payload and property.
		if size > 4*len(stream) {
			t.Fatalf("%d bytes of records out of %d", size, len(stream))
		}
	})
}

func FuzzTime(f *testing.F) {
	for _, s := range []string{"2024-05-06 07:08:09.123456+05:30:15", "2024-05-06", "infinity", "0044-03-15 BC", "12024-05-06 00:00:00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, oid := range []uint32{oidInt8, oidTimestamptz} {
			if ms, ok := parseTime(text, oid); !ok && ms != 0 && oid != oidInt8 {
				t.Errorf("%q: %d and not ok", text, ms)
			}
		}
	})
}

func FuzzRoute(f *testing.F) {
	f.Add("outbox.event."+placeholder, "Order")
	f.Add("persistent://a/b/"+placeholder+"x", "a/b")
	f.Fuzz(func(t *testing.T, rule, value string) {
		r, err := parseRoute(rule, "tenant", "namespace")
		if err != nil {
			return
		}
		name, err := r.topic([]byte(value))
		if err == nil && (len(name) <= r.prefix || checkLocalName(name[r.prefix:]) != nil) {
			t.Errorf("rule %q and value %q made %q", rule, value, name)
		}
	})
}

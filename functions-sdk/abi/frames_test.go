package abi

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// golden reads a golden frame: hex bytes, with comments behind #.
func golden(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var digits strings.Builder
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The SDK is tested against the same frames.
func TestGoldenFilesAreTheSDKs(t *testing.T) {
	for _, name := range []string{"request.hex", "reply.hex"} {
		ours, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := os.ReadFile(filepath.Join("../golang/testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(ours, theirs) {
			t.Errorf("%s differs from the SDK's", name)
		}
	}
}

func TestGoldenRequest(t *testing.T) {
	want := golden(t, "request.hex")
	topics := []string{"persistent://t/n/out", "persistent://t/n/in", "persistent://t/n/i2"}
	size := RequestHeader
	for _, name := range topics {
		size += TopicSize(name)
	}
	size += Size([]byte("k"), []byte("value")) + PropertySize("a", "1") + 2*Size(nil, nil)
	if size != len(want) {
		t.Errorf("the request is measured as %d bytes of %d", size, len(want))
	}
	var r Request
	for range 2 { // a writer is used again and again
		r.Begin(make([]byte, 0, size), 3, 3)
		for _, name := range topics {
			r.Topic(name)
		}
		r.Record(&Record{Topic: 1, Key: []byte("k"), HasKey: true, Ledger: 3, Entry: 4, Batch: 5, Partition: 6,
			EventTime: 1700000000123, PublishTime: 1700000000456, Redelivery: 2}, 1)
		r.Property("a", "1")
		r.Payload([]byte("value"))
		r.Record(&Record{Topic: 1, HasKey: true, Null: true, Ledger: 3, Entry: 5, Batch: -1, Partition: -1, PublishTime: 1700000000457}, 0)
		r.Payload(nil)
		r.Record(&Record{Topic: 2, Key: []byte("not sent"), Ledger: 9, Batch: -1, Partition: -1, PublishTime: 1700000000458}, 0)
		r.Payload(nil)
		if !bytes.Equal(r.Bytes(), want) {
			t.Errorf("request\n%x\nwant\n%x", r.Bytes(), want)
		}
	}
}

func TestGoldenReply(t *testing.T) {
	var r Reply
	for range 2 {
		if err := r.Decode(golden(t, "reply.hex"), 3, 3); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range r.Statuses {
			got = append(got, fmt.Sprintf("%d %s", s.Code, s.Text))
		}
		for _, o := range r.Outputs {
			got = append(got, fmt.Sprintf("%d %#x %q key=%q %v payload=%q null=%v %d", o.Input, o.Topic, o.Name, o.Key, o.HasKey, o.Payload, o.Null, o.EventTime))
			for _, p := range r.Properties[o.First : o.First+o.Count] {
				got = append(got, fmt.Sprintf("%s=%s", p.Key, p.Value))
			}
		}
		want := []string{
			"0 ", "2 bad", "1 later",
			`0 0x0 "" key="k" true payload="value" null=false 1700000000123`, "a=1",
			`0 0xffffffff "other" key="" true payload="" null=true 0`,
		}
		if !slices.Equal(got, want) || r.PropertyBytes != 2 {
			t.Errorf("got %q", got)
		}
	}
}

// Every way of being wrong is found, and nothing of a wrong reply is left to be believed.
func TestBadReplies(t *testing.T) {
	good := golden(t, "reply.hex")
	const first = 40          // where output 0 starts
	const second = first + 56 // and output 1
	change := func(at int, v uint32) []byte {
		b := bytes.Clone(good)
		le.PutUint32(b[at:], v)
		return b
	}
	for name, c := range map[string]struct {
		reply []byte
		want  string
	}{
		"empty":                      {nil, "shorter than its header"},
		"another number of statuses": {change(0, 2), "2 statuses for 3 records"},
		"too many outputs":           {change(4, 1<<31), "2147483648 outputs"},
		"an output too few":          {change(4, 1), "after the last output"},
		"an output too many":         {change(4, 3), "reply of 3 outputs has only"},
		"unknown status":             {change(8, 3), "status 0: code 3"},
		"endless text":               {change(12, 1<<31), "text of 2147483648 bytes"},
		"output too small":           {change(first, 7), "output 0: size 11"},
		"output too large":           {change(first, 1<<31), "output 0: size"},
		"no such input":              {change(first+OutputInput, 3), "input 3 of 3"},
		"input that was rejected":    {change(second+OutputInput, 1), "status 2, which allows no outputs"},
		"no such topic":              {change(first+OutputTopicIndex, 3), "topic 3 of 3"},
		"named without a name":       {change(first+OutputTopicIndex, NamedTopic), "with a name of 0 bytes"},
		"a name that is not used":    {change(second+OutputTopicIndex, 1), "with a name of 5 bytes"},
		"unknown flags":              {change(first+OutputFlags, 5), "flags 0x5"},
		"key without its flag":       {change(first+OutputFlags, 0), "without its flag"},
		"null with a payload":        {change(first+OutputFlags, 3), "null with a payload"},
		"time before 1970":           {change(first+OutputEventTime+4, 1<<31), "event time"},
		"name too long":              {change(second+OutputNameSize, 6), "parts of 6 bytes where 5"},
		"key too long":               {change(first+OutputKeySize, 1<<31), "parts of"},
		"too many properties":        {change(first+OutputProperties, 1<<29), "parts of"},
		"payload too long":           {change(first+OutputPayloadSize, 6), "payload of 6 bytes"},
		"property too long":          {change(first+OutputFixed+1, 1<<31), "property 0"},
		"cut off":                    {good[:len(good)-1], "output 1: size"},
		"text that is none":          {bytes.Replace(good, []byte("bad"), []byte("b\xffd"), 1), "status 1: text is not UTF-8"},
		"name that is no text":       {bytes.Replace(good, []byte("other"), []byte("\xffther"), 1), "topic name is not UTF-8"},
		"property that is no text":   {bytes.Replace(good, []byte("a1value"), []byte("a\xffvalue"), 1), "not UTF-8"},
		"a character cut in two":     {bytes.Replace(good, []byte("a1value"), []byte("\xc3\xa4value"), 1), "not UTF-8"},
	} {
		var r Reply
		err := r.Decode(c.reply, 3, 3)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if len(r.Statuses)+len(r.Outputs)+len(r.Properties)+r.PropertyBytes != 0 {
			t.Errorf("%s: something is left of it", name)
		}
	}
	// Outputs out of order: the second one made from record 2, and then one from record 0.
	swapped := bytes.Clone(good)
	le.PutUint32(swapped[24:], StatusOK) // of record 2
	le.PutUint32(swapped[first+OutputInput:], 2)
	var r Reply
	if err := r.Decode(swapped, 3, 3); err == nil || !strings.Contains(err.Error(), "input 0 comes after input 2") {
		t.Errorf("outputs out of order: %v", err)
	}
}

func FuzzReply(f *testing.F) {
	f.Add(golden(f, "reply.hex"), 3, 3)
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0}, 0, 0)
	f.Add([]byte{1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0}, 1, 1)
	f.Fuzz(func(t *testing.T, b []byte, records, topics int) {
		var r Reply
		if r.Decode(b, records, topics) != nil {
			return
		}
		if len(r.Statuses) != records || len(r.Outputs)*OutputFixed > len(b) || len(r.Properties)*PropertyFixed > len(b) {
			t.Fatalf("%d statuses, %d outputs, %d properties from %d bytes", len(r.Statuses), len(r.Outputs), len(r.Properties), len(b))
		}
		for _, o := range r.Outputs {
			if int(o.Input) >= records || o.Topic != NamedTopic && int(o.Topic) >= topics || o.First+o.Count > len(r.Properties) {
				t.Fatalf("output %+v", o)
			}
		}
	})
}

// Every function of WASI stands once, either offered, refused or missing.
func TestWASIList(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range WASI {
		if seen[f.Name] || slices.Contains(SocketFunctions, f.Name) {
			t.Errorf("%s stands twice", f.Name)
		}
		seen[f.Name] = true
		if f.Refused != (f.Errno != ErrnoSuccess) {
			t.Errorf("%s is refused with errno %d", f.Name, f.Errno)
		}
	}
	if len(seen)+len(SocketFunctions) != 46 {
		t.Errorf("%d functions, WASI preview 1 has 46", len(seen)+len(SocketFunctions))
	}
}

package postgres

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var exampleCheckpoint = checkpoint{
	System: "7574898236211314522", Timeline: 1, Slot: "strobe_orders", LSN: 0x16B374D848, Sequence: 59632799000042, Drained: true,
	Shape: shape{
		Publication: "strobe_orders", Table: table{"public", "outboxevent"}, Topic: "outbox.event.${routedByValue}",
		Columns: columns{ID: "id", AggregateType: "aggregatetype", AggregateID: "aggregateid", Payload: "payload", Timestamp: "created"},
		Headers: []header{{Column: "type", Property: "eventType"}},
	},
}

// The bytes are what earlier versions have stored: docs/format/checkpoint.md shows them.
func TestCheckpointBytes(t *testing.T) {
	golden, err := os.ReadFile("testdata/checkpoint.json")
	if err != nil {
		t.Fatal(err)
	}
	data, err := exampleCheckpoint.encode()
	if err != nil {
		t.Fatal(err)
	}
	if string(data)+"\n" != string(golden) {
		t.Errorf("encoded\n%s\nwant\n%s", data, golden)
	}
	c, err := decodeCheckpoint(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(exampleCheckpoint, c); d != "" {
		t.Error(d)
	}
}

func TestCheckpointRefusesWhatMakesNoSense(t *testing.T) {
	good, err := exampleCheckpoint.encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"version":1`, `"version":0`}, {`"version":1`, `"version":2`}, {`"lsn":"16/B374D848"`, `"lsn":"16/B374D848x"`}, {`"lsn":"16/B374D848"`, `"lsn":"0/0"`},
		{`"drained":true`, `"drained":1`}, {`"drained"`, `"unheard of"`}, {`"sequence":"59632799000042"`, `"sequence":"-1"`},
		{`"timeline":1`, `"timeline":0`}, {`"name":"outboxevent"`, `"name":""`}, {`}`, ``}, {`{"version"`, `{}{"version"`},
	} {
		bad := strings.Replace(string(good), change[0], change[1], 1)
		if bad == string(good) {
			t.Fatalf("%s is not in %s", change[0], good)
		}
		if c, err := decodeCheckpoint([]byte(bad)); err == nil {
			t.Errorf("%s was read as %+v", bad, c)
		}
	}
	if _, err := decodeCheckpoint(append(good, make([]byte, maxCheckpoint)...)); err == nil {
		t.Error("a checkpoint of a megabyte was read")
	}
}

func FuzzCheckpoint(f *testing.F) {
	good, _ := exampleCheckpoint.encode()
	f.Add(good)
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte(`{"version":1,"lsn":"FFFFFFFF/FFFFFFFF","sequence":"18446744073709551615"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := decodeCheckpoint(data)
		if err != nil {
			return
		}
		again, err := c.encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeCheckpoint(again)
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		if d := cmp.Diff(c, back); d != "" && !(len(c.Shape.Headers) == 0 && len(back.Shape.Headers) == 0) {
			t.Error(d)
		}
	})
}

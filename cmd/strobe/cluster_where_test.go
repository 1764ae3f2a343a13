package main

import (
	"encoding/json"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// strobe runs a client verb against one of the brokers and decodes what it prints.
func (c *testCluster) strobe(t *testing.T, ask int, out any, args ...string) {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	text, err := exec.Command(path, append(args, "--server", c.Brokers[ask].HTTP, "--broker", c.Brokers[ask].Pulsar, "-o", "json")...).Output()
	if err == nil && out != nil {
		err = json.Unmarshal(text, out)
	}
	if err != nil {
		t.Fatalf("strobe %q: %v\n%s", args, err, text)
	}
}

// TestWhereMessagesLieInACluster asks both brokers the same: what they say of bookies, of ledgers and of a topic, whichever of them serves it, must
// be the same and fit together, before a bookie is killed and after.
func TestWhereMessagesLieInACluster(t *testing.T) {
	c := startCluster(t)
	type bookie struct {
		ID, Address, State string
		Use                struct{ Ledgers, OpenLedgers, UnderReplicated int }
	}
	type ledger struct {
		ID              int64
		Topic, State    string
		Entries         int64
		UnderReplicated bool
		MissingOn       []string
		Segments        []struct{ Bookies []string }
	}
	type place struct {
		Owner   string
		Entries int64
		Ledgers []ledger
	}
	publish := func(text string) { c.strobe(t, 0, nil, "produce", "hello", "-m", text) }
	publish("one")
	owner := c.Brokers[c.owner(t, 0, "persistent://public/default/hello")].Pulsar
	var victim bookie
	for ask := range c.Brokers {
		var bookies []bookie
		c.strobe(t, ask, &bookies, "bookies", "status")
		var ids []string
		for _, b := range bookies {
			ids = append(ids, b.ID)
			if b.State != "writable" || b.Use.OpenLedgers != 1 || b.Use.UnderReplicated != 0 {
				t.Errorf("broker %d says %+v", ask, b)
			}
			if b.ID == c.Bookies[0].ID {
				victim = b
			}
		}
		var places []place
		c.strobe(t, ask, &places, "topics", "where", "hello")
		if len(places) != 1 || places[0].Owner != owner || places[0].Entries != 1 || len(places[0].Ledgers) != 1 || len(places[0].Ledgers[0].Segments) != 1 {
			t.Fatalf("broker %d says %+v", ask, places)
		}
		on := places[0].Ledgers[0].Segments[0].Bookies
		slices.Sort(on)
		if len(ids) != 3 || !slices.Equal(on, ids) {
			t.Errorf("bookies %v, the ledger lies on %v", ids, on)
		}
	}
	if victim.ID == "" {
		t.Fatal("no bookie has the id that the first one named")
	}
	c.Bookies[0].Kill()
	publish("two")
	for ask := range c.Brokers {
		for deadline := time.Now().Add(20 * time.Second); ; letRun(100 * time.Millisecond) {
			var b bookie
			c.strobe(t, ask, &b, "bookies", "status", victim.ID)
			var marked struct{ Ledgers []ledger }
			c.strobe(t, ask, &marked, "ledgers", "list", "--under-replicated", "--bookie", victim.ID)
			if b.State == "down" && b.Use.UnderReplicated == 1 && len(marked.Ledgers) == 1 {
				l := marked.Ledgers[0]
				if l.Topic != "persistent://public/default/hello" || l.State != "OPEN" || !slices.Equal(l.MissingOn, []string{victim.ID}) {
					t.Errorf("%+v", l)
				}
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("broker %d says %+v, under-replicated %+v", ask, b, marked)
			}
		}
		var places []place
		c.strobe(t, ask, &places, "topics", "where", "hello")
		if len(places) != 1 || places[0].Entries != 2 || len(places[0].Ledgers) != 1 || !places[0].Ledgers[0].UnderReplicated {
			t.Errorf("broker %d says %+v", ask, places)
		}
	}
}

package main

import (
	"testing"

	"github.com/strobemq/strobe/functions-sdk/golang/strobetest"
)

func TestEnrichAddsTaxAndTotal(t *testing.T) {
	r := strobetest.Run(t, enrich, strobetest.Text(`{"id":"1","customer":"c","seq":1,"net":1000}`), strobetest.Config("currency", "CHF"))
	if got, want := r.Text(), `{"id":"1","customer":"c","seq":1,"net":1000,"tax":190,"total":1190,"currency":"CHF"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestEnrichRejectsWhatIsNoOrder(t *testing.T) {
	if r := strobetest.Run(t, enrich, strobetest.Text("nonsense")); !r.Rejected() {
		t.Errorf("not rejected: %v", r.Err)
	}
}

package connectors

import "testing"

func TestALostLeaseStaysLostAndTells(t *testing.T) {
	var none *Lease
	if none.Lost() {
		t.Error("no lease lasts for ever")
	}
	l := &Lease{}
	before, after := make(chan struct{}, 1), make(chan struct{}, 1)
	l.Notify(before)
	if l.Lost() || len(before) != 0 {
		t.Error("lost before its end")
	}
	l.Lose()
	l.Lose()
	l.Notify(after)
	if !l.Lost() || len(before) != 1 || len(after) != 1 {
		t.Errorf("lost %v, told %d and %d", l.Lost(), len(before), len(after))
	}
}

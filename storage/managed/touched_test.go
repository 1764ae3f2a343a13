package managed

import (
	"testing"

	"github.com/strobemq/strobe/storage/bk"
)

func TestTouched(t *testing.T) {
	w := newWorld(t)
	l := w.open(w.manager(Options{}), Config{})
	ps := newProducer(t, l).publish("a", "b", "c")
	c := l.NonDurable("", bk.Earliest)
	steps := []struct {
		name string
		ack  Ack
		want bool
	}{
		{"nothing", Ack{Position: bk.Earliest}, false},
		{"part of a batch", Ack{Position: ps[1], Remaining: []int64{1}}, true},
		{"the rest of it", Ack{Position: ps[1]}, true},
		{"the entry before", Ack{Position: ps[0]}, false},
	}
	for _, s := range steps {
		c.AckIndividual([]Ack{s.ack})
		if got := c.Touched(); got != s.want {
			t.Errorf("%s: %v", s.name, got)
		}
	}
}

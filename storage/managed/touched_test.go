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
		hole int
	}{
		{"nothing", Ack{Position: bk.Earliest}, false, 0},
		{"part of a batch", Ack{Position: ps[1], Remaining: []int64{1}}, true, 1},
		{"the rest of it", Ack{Position: ps[1]}, true, 1},
		{"the entry before", Ack{Position: ps[0]}, false, 0},
	}
	for _, s := range steps {
		c.AckIndividual([]Ack{s.ack})
		if got := c.Touched(); got != s.want || c.Holes() != s.hole {
			t.Errorf("%s: %v, %d holes", s.name, got, c.Holes())
		}
	}
}

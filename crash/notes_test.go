package main

import (
	"strings"
	"testing"
)

func at(entry int64) position { return position{1, entry, 0} }

// TestNotes feeds what a topic must not hold, and what it may.
func TestNotes(t *testing.T) {
	type seen struct {
		n     int
		entry int64
	}
	for _, x := range []struct {
		name        string
		keyed, once bool
		seen        []seen
		receipts    int
		want        string // empty: all is well
	}{
		{name: "in order", once: true, seen: []seen{{0, 0}, {1, 1}, {2, 2}}, receipts: 3},
		{name: "delivered again", once: true, seen: []seen{{0, 0}, {1, 1}, {0, 0}, {1, 1}, {2, 2}}, receipts: 3},
		{name: "twice", once: true, seen: []seen{{0, 0}, {1, 1}, {1, 2}, {2, 3}}, receipts: 3, want: "twice"},
		{name: "twice without deduplication", seen: []seen{{0, 0}, {1, 1}, {0, 2}, {1, 3}, {2, 4}}, receipts: 2},
		{name: "a hole", once: true, seen: []seen{{0, 0}, {2, 2}}, receipts: 3, want: "missing"},
		{name: "the end is lost", once: true, seen: []seen{{0, 0}, {1, 1}}, receipts: 3, want: "lost"},
		{name: "elsewhere", once: true, seen: []seen{{0, 0}, {1, 1}, {2, 5}}, receipts: 3, want: "lies at 1:5:0"},
		{name: "keys in any order", keyed: true, once: true, seen: []seen{{1, 1}, {0, 0}, {8, 8}, {7, 7}}},
		{name: "a key out of order", keyed: true, once: true, seen: []seen{{0, 0}, {14, 14}, {7, 7}}, want: "under key 0"},
		{name: "a key twice", keyed: true, once: true, seen: []seen{{0, 0}, {0, 3}}, want: "twice"},
		{name: "a key again", keyed: true, once: true, seen: []seen{{0, 0}, {7, 7}, {0, 0}}},
	} {
		s := newNotes()
		var errs []error
		for _, m := range x.seen {
			take := func() error { return s.keyed(m.n, at(m.entry), x.once, true) }
			if !x.keyed {
				take = func() error { return s.ordered(m.n, at(m.entry), x.once) }
			}
			if err := take(); err != nil {
				errs = append(errs, err)
			}
		}
		var receipts []position
		for n := range x.receipts {
			receipts = append(receipts, at(int64(n)))
		}
		errs = append(errs, s.against(receipts)...)
		switch {
		case x.want == "" && len(errs) > 0:
			t.Errorf("%s: %v", x.name, errs)
		case x.want != "" && (len(errs) == 0 || !strings.Contains(errs[0].Error(), x.want)):
			t.Errorf("%s: %v, want %q", x.name, errs, x.want)
		}
	}
}

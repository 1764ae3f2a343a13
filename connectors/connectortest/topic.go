package connectortest

import (
	"fmt"

	"github.com/strobemq/strobe/connectors"
)

// topics is where the kit delivers to, as if every key had a topic of its own: it deduplicates like a broker, by the highest sequence
// of each, and remembers everything.
type topics struct {
	highest map[string]uint64 // by key
	kept    []delivery        // what is in the topics, in order of arrival
	numbers map[string]uint64 // sequence of each value when it first came
	values  map[uint64]string // value of each sequence
	wrong   []string
}

type delivery struct {
	key, value string
	sequence   uint64
}

func newTopics() *topics {
	return &topics{highest: map[string]uint64{}, numbers: map[string]uint64{}, values: map[uint64]string{}}
}

func (t *topics) fail(format string, args ...any) {
	t.wrong = append(t.wrong, fmt.Sprintf(format, args...))
}

// deliver takes a record; the record's memory is the source's, so what is kept is copied.
func (t *topics) deliver(r connectors.Record) {
	d := delivery{key: string(r.Key), value: string(r.Payload), sequence: r.Sequence}
	if r.Reject != "" {
		t.fail("row %s was rejected: %s", d.value, r.Reject)
		return
	}
	if d.sequence == 0 { // the source numbers nothing: whatever comes is kept
		t.kept = append(t.kept, d)
		return
	}
	if n, seen := t.numbers[d.value]; seen && n != d.sequence {
		t.fail("row %s had the number %d and now has %d", d.value, n, d.sequence)
	}
	if v, seen := t.values[d.sequence]; seen && v != d.value {
		t.fail("the number %d was that of row %s and is now that of %s", d.sequence, v, d.value)
	}
	t.numbers[d.value], t.values[d.sequence] = d.sequence, d.value
	if d.sequence > t.highest[d.key] {
		t.highest[d.key] = d.sequence
		t.kept = append(t.kept, d)
	}
}

// missing is how many of the rows are not there yet.
func (t *topics) missing(rows []Row) int {
	have := map[string]bool{}
	for _, d := range t.kept {
		have[d.value] = true
	}
	n := 0
	for _, r := range rows {
		if !have[r.Value] {
			n++
		}
	}
	return n
}

// judge compares the topics with all rows that were written, in their order.
func (t *topics) judge(rows []Row, once bool) []string {
	if n := t.missing(rows); n > 0 {
		t.fail("%d of %d rows are lost", n, len(rows))
	}
	times, first := map[string]int{}, map[string][]string{}
	for _, d := range t.kept {
		times[d.value]++
		if times[d.value] == 1 {
			first[d.key] = append(first[d.key], d.value)
		}
	}
	want := map[string][]string{}
	for _, r := range rows {
		if n := times[r.Value]; once && n > 1 {
			t.fail("row %s is there %d times", r.Value, n)
		}
		if times[r.Value] > 0 {
			want[r.Key] = append(want[r.Key], r.Value)
		}
	}
	for key, values := range want {
		if fmt.Sprint(values) != fmt.Sprint(first[key]) {
			t.fail("key %s: written %v, arrived %v", key, values, first[key])
		}
	}
	return t.wrong
}

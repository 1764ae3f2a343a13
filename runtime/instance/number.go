package instance

import "github.com/strobemq/strobe/connectors"

// Outputs of effectively-once are numbered by their input, so that the same input gives the same numbers after every restart, and the broker's
// deduplication drops what is already there: sequence = number of the input << ordinalBits | ordinal of the output, from 1. The number is the input's broker
// index, or the source's own sequence.
const (
	ordinalBits = 12
	maxOrdinal  = 1<<ordinalBits - 1
	// parkedOrdinal is the ordinal of a dead letter: the last, since a letter takes the place of an input's outputs or follows some of them.
	parkedOrdinal = maxOrdinal
)

// number gives an output its sequence, its producer's name and its input's lease. through: the record is the input itself, with its own number.
func (l *Loop) number(in, out *connectors.Record, ordinal int, through bool) {
	out.Producer, out.Sequence, out.Lease = "", 0, in.Lease
	switch {
	case in.Sequence != 0 && through:
		out.Producer, out.Sequence = in.Producer, in.Sequence
	case in.Sequence != 0:
		out.Producer, out.Sequence = in.Producer, in.Sequence<<ordinalBits|uint64(ordinal)
	case l.exactly && in.HasIndex && in.Producer != "":
		out.Producer, out.Sequence = l.names.of(in.Producer), in.Index<<ordinalBits|uint64(ordinal)
	}
}

// producerNames makes the producer names of outputs: the function's name and the life of the input partition, "function@topic#first ledger",
// which topic sources give as their records' Producer. One for each input partition, since numbers rise only within one. Used under Loop.mu.
type producerNames struct {
	function string
	names    map[string]string
	last     [2]string
}

func (p *producerNames) of(input string) string {
	if p.last[0] == input {
		return p.last[1]
	}
	name, ok := p.names[input]
	if !ok {
		if p.names == nil {
			p.names = map[string]string{}
		}
		name = p.function + "@" + input
		p.names[input] = name
	}
	p.last = [2]string{input, name}
	return name
}

package managed

import (
	"errors"
	"math/bits"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/strobemq/strobe/storage/bk"
)

// LongProperty is a number tied to a cursor's position: Pulsar keeps deduplication snapshots and the like in them.
type LongProperty struct {
	Name  string
	Value int64
}

// ackRange is entries First..Last of a ledger, acknowledged one by one.
type ackRange struct {
	ledger, first, last int64
}

// batchSet is what is left of a batch: bit i of words is set while index i is not acknowledged.
type batchSet struct {
	position bk.Position
	words    []int64
}

// position is a cursor's state as it is stored. PositionInfo (an entry of a cursor ledger) and ManagedCursorInfo (a cursor's
// node) hold it in different field numbers (interop §7.2, §7.7):
//
//	                     PositionInfo     ManagedCursorInfo
//	mark-delete          1 ledger 2 entry 2 ledger 3 entry
//	ranges *             3                4                  { 1 lower {1 ledger, 2 entry} exclusive, 2 upper inclusive }
//	properties *         4                5                  { 1 name, 2 value }
//	batch sets *         5                7                  { 1 position, 2 deleteSet * }
//	ranges as bit sets * 6                -                  { 1 ledger, 2 words * }, read, never written
//	cursor ledger        -                1                  -1: the position is in the node
//	last active, ms      -                6
//	cursor properties *  -                8                  { 1 key, 2 value }
type position struct {
	markDelete bk.Position
	ranges     []ackRange
	properties []LongProperty
	batches    []batchSet
}

// cursorInfo is the value of a cursor's node.
type cursorInfo struct {
	ledger     int64 // -1: position holds the state
	active     int64
	position   position
	properties map[string]string
	rest       []byte
}

// errFooter: the last entry of a cursor ledger is the JSON footer of a position that a newer Pulsar split over several entries.
// Reading it as damage would rewind the subscription, so it is refused.
var errFooter = errors.New("cursor position split over several entries")

// maxRanges bounds what bit sets may unfold to; ranges beyond it are dropped, which redelivers.
const maxRanges = 1 << 20

func (p *position) encode() []byte {
	b := appendInt(appendInt(nil, 1, p.markDelete.Ledger), 2, p.markDelete.Entry)
	return p.appendTail(b, 3, 4, 5)
}

func (p *position) appendTail(b []byte, ranges, properties, batches protowire.Number) []byte {
	var sub, end []byte
	for _, r := range p.ranges {
		end = appendPosition(end[:0], bk.Position{Ledger: r.ledger, Entry: r.first - 1})
		sub = appendBytes(sub[:0], 1, end)
		end = appendPosition(end[:0], bk.Position{Ledger: r.ledger, Entry: r.last})
		b = appendBytes(b, ranges, appendBytes(sub, 2, end))
	}
	for _, p := range p.properties {
		b = appendBytes(b, properties, appendInt(appendString(sub[:0], 1, p.Name), 2, p.Value))
	}
	for _, s := range p.batches {
		sub = appendBytes(sub[:0], 1, appendPosition(end[:0], s.position))
		for _, w := range s.words {
			sub = appendInt(sub, 2, w)
		}
		b = appendBytes(b, batches, sub)
	}
	return b
}

// sort orders batch sets, so that encoding is deterministic.
func (p *position) sort() {
	slices.SortFunc(p.batches, func(a, b batchSet) int { return a.position.Compare(b.position) })
}

func decodePosition(b []byte) (position, error) {
	var p position
	if len(b) > 0 && b[0] == '{' {
		return p, errFooter
	}
	seen := 0
	err := fields(b, func(f field) error {
		switch {
		case f.is(1, protowire.VarintType):
			p.markDelete.Ledger = int64(f.num)
			seen |= 1
		case f.is(2, protowire.VarintType):
			p.markDelete.Entry = int64(f.num)
			seen |= 2
		case f.is(6, protowire.BytesType):
			return p.parseWords(f.data)
		default:
			_, err := p.parseTail(f, 3, 4, 5)
			return err
		}
		return nil
	})
	if err == nil && seen != 3 {
		err = errProto
	}
	return p, err
}

// parseTail takes f if it is one of the three repeated fields.
func (p *position) parseTail(f field, ranges, properties, batches protowire.Number) (taken bool, err error) {
	switch {
	case f.is(ranges, protowire.BytesType):
		return true, p.parseRange(f.data)
	case f.is(properties, protowire.BytesType):
		var lp LongProperty
		err = fields(f.data, func(f field) error {
			switch {
			case f.is(1, protowire.BytesType):
				lp.Name = string(f.data)
			case f.is(2, protowire.VarintType):
				lp.Value = int64(f.num)
			}
			return nil
		})
		p.properties = append(p.properties, lp)
		return true, err
	case f.is(batches, protowire.BytesType):
		var s batchSet
		err = fields(f.data, func(f field) (err error) {
			switch {
			case f.is(1, protowire.BytesType):
				s.position, err = parsePosition(f.data)
			case f.number == 2:
				s.words, err = appendPacked(s.words, f)
			}
			return err
		})
		p.batches = append(p.batches, s)
		return true, err
	}
	return false, nil
}

// parseRange reads (lower, upper]. Both ends lie in one ledger when Strobe or Apache wrote it; a range that crosses ledgers says
// only that the upper ledger is acknowledged from its start, and is taken as that.
func (p *position) parseRange(b []byte) error {
	var lower, upper bk.Position
	seen := 0
	err := fields(b, func(f field) (err error) {
		switch {
		case f.is(1, protowire.BytesType):
			lower, err = parsePosition(f.data)
			seen |= 1
		case f.is(2, protowire.BytesType):
			upper, err = parsePosition(f.data)
			seen |= 2
		}
		return err
	})
	if err != nil {
		return err
	}
	if seen != 3 {
		return errProto
	}
	first := lower.Entry + 1
	if lower.Ledger != upper.Ledger {
		first = 0
	}
	if first <= upper.Entry && first >= 0 {
		p.ranges = append(p.ranges, ackRange{upper.Ledger, first, upper.Entry})
	}
	return nil
}

// parseWords reads the ranges of one ledger from a bit set: bit e is set when entry e is acknowledged.
func (p *position) parseWords(b []byte) error {
	var ledger int64
	var words []int64
	err := fields(b, func(f field) (err error) {
		switch {
		case f.is(1, protowire.VarintType):
			ledger = int64(f.num)
		case f.number == 2:
			words, err = appendPacked(words, f)
		}
		return err
	})
	if err != nil {
		return err
	}
	add := func(first, last int64) {
		if len(p.ranges) < maxRanges {
			p.ranges = append(p.ranges, ackRange{ledger, first, last})
		}
	}
	first := int64(-1) // start of the run of ones that is open
	for i, w := range words {
		for bit := int64(0); bit < 64; {
			rest := uint64(w) >> bit
			e := int64(i)*64 + bit
			if first < 0 {
				if rest == 0 {
					break
				}
				n := int64(bits.TrailingZeros64(rest))
				first, bit = e+n, bit+n
				continue
			}
			n := min(int64(bits.TrailingZeros64(^rest)), 64-bit)
			bit += n
			if bit < 64 {
				add(first, e+n-1)
				first = -1
			}
		}
	}
	if first >= 0 {
		add(first, int64(len(words))*64-1)
	}
	return nil
}

func (c *cursorInfo) encode() []byte {
	b := appendInt(nil, 1, c.ledger)
	b = appendInt(b, 2, c.position.markDelete.Ledger)
	b = appendInt(b, 3, c.position.markDelete.Entry)
	p := c.position
	batches := p.batches
	p.batches = nil
	b = p.appendTail(b, 4, 5, 7)
	if c.active != 0 {
		b = appendInt(b, 6, c.active)
	}
	p = position{batches: batches}
	b = p.appendTail(b, 4, 5, 7)
	for _, k := range sortedKeys(c.properties) {
		b = appendBytes(b, 8, appendPair(nil, k, c.properties[k]))
	}
	return append(b, c.rest...)
}

func decodeCursorInfo(value []byte) (cursorInfo, error) {
	var c cursorInfo
	err := decodeNode(value, func(b []byte) error {
		c = cursorInfo{}
		return c.parse(b)
	})
	return c, err
}

func (c *cursorInfo) parse(b []byte) error {
	c.ledger = -1
	c.position.markDelete = bk.Earliest
	known := false
	err := fields(b, func(f field) error {
		switch {
		case f.is(1, protowire.VarintType):
			c.ledger, known = int64(f.num), true
		case f.is(2, protowire.VarintType):
			c.position.markDelete.Ledger = int64(f.num)
		case f.is(3, protowire.VarintType):
			c.position.markDelete.Entry = int64(f.num)
		case f.is(6, protowire.VarintType):
			c.active = int64(f.num)
		case f.is(8, protowire.BytesType):
			k, v, err := parsePair(f.data)
			if err != nil {
				return err
			}
			if c.properties == nil {
				c.properties = map[string]string{}
			}
			c.properties[k] = v
		default:
			taken, err := c.position.parseTail(f, 4, 5, 7)
			if err != nil {
				return err
			}
			if !taken {
				c.rest = append(c.rest, f.raw...)
			}
		}
		return nil
	})
	if err == nil && !known {
		err = errProto
	}
	return err
}

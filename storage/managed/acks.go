package managed

import (
	"math/bits"
	"sort"

	"github.com/strobemq/strobe/storage/bk"
)

const (
	blockBits = 1024
	blockWord = blockBits / 64
)

// ackBlock is one bit for each of 1024 consecutive entries of a ledger, set when the entry is acknowledged.
type ackBlock struct {
	n     int32 // bits set
	words [blockWord]uint64
}

// fullBlock stands for every block all of whose bits are set; it is never changed.
var fullBlock = func() *ackBlock {
	b := &ackBlock{n: blockBits}
	for i := range b.words {
		b.words[i] = ^uint64(0)
	}
	return b
}()

// ledgerAcks is the acknowledged entries of one ledger. Block i of blocks covers entries (base+i)*1024 and up; nil is an empty one.
type ledgerAcks struct {
	ledger int64
	base   int64
	blocks []*ackBlock
	n      int64 // bits set
	runs   int   // maximal runs of consecutive bits
}

// ackSet is the entries above a cursor's mark-delete that are acknowledged one by one: a bit an entry, in blocks that exist only
// where there are both acknowledged and open entries. Setting and looking at a bit cost one search over the ledgers.
// The zero ackSet is empty.
type ackSet struct {
	ledgers []ledgerAcks // ascending
	n       int64        // bits set in all
	runs    int
	free    *ackBlock // one empty block to use again
}

func (s *ackSet) at(ledger int64) int {
	if n := len(s.ledgers); n == 1 && s.ledgers[0].ledger >= ledger {
		return 0
	}
	return sort.Search(len(s.ledgers), func(i int) bool { return s.ledgers[i].ledger >= ledger })
}

func (s *ackSet) find(ledger int64) *ledgerAcks {
	if i := s.at(ledger); i < len(s.ledgers) && s.ledgers[i].ledger == ledger {
		return &s.ledgers[i]
	}
	return nil
}

// has reports whether the entry's bit is set.
func (s *ackSet) has(p bk.Position) bool {
	l := s.find(p.Ledger)
	return l != nil && l.has(p.Entry)
}

func (l *ledgerAcks) has(entry int64) bool {
	i := entry>>10 - l.base
	if entry < 0 || i < 0 || i >= int64(len(l.blocks)) || l.blocks[i] == nil {
		return false
	}
	return l.blocks[i].words[entry>>6&(blockWord-1)]>>(entry&63)&1 != 0
}

// set sets the bit of an entry and reports whether it was clear. The entry id is ≥ 0 and bounded by the ledger's length, which
// bounds the memory.
func (s *ackSet) set(p bk.Position) bool {
	i := s.at(p.Ledger)
	if i == len(s.ledgers) || s.ledgers[i].ledger != p.Ledger {
		s.ledgers = append(s.ledgers, ledgerAcks{})
		copy(s.ledgers[i+1:], s.ledgers[i:])
		s.ledgers[i] = ledgerAcks{ledger: p.Ledger, base: p.Entry >> 10}
	}
	l := &s.ledgers[i]
	if l.has(p.Entry) {
		return false
	}
	b := s.block(l, p.Entry>>10)
	b.words[p.Entry>>6&(blockWord-1)] |= 1 << (p.Entry & 63)
	b.n++
	if b.n == blockBits {
		l.blocks[p.Entry>>10-l.base] = fullBlock
		s.recycle(b)
	}
	l.n++
	s.n++
	switch left, right := l.has(p.Entry-1), l.has(p.Entry+1); {
	case left && right:
		l.runs--
		s.runs--
	case !left && !right:
		l.runs++
		s.runs++
	}
	return true
}

// block is the block with number k for changing.
func (s *ackSet) block(l *ledgerAcks, k int64) *ackBlock {
	if len(l.blocks) == 0 {
		l.base = k
	}
	if k < l.base {
		grown := make([]*ackBlock, int64(len(l.blocks))+l.base-k)
		copy(grown[l.base-k:], l.blocks)
		l.blocks, l.base = grown, k
	}
	for int64(len(l.blocks)) <= k-l.base {
		l.blocks = append(l.blocks, nil)
	}
	b := l.blocks[k-l.base]
	if b == nil {
		b = s.free
		s.free = nil
		if b == nil {
			b = new(ackBlock)
		}
		l.blocks[k-l.base] = b
	}
	return b
}

func (s *ackSet) recycle(b *ackBlock) {
	if b != nil && b != fullBlock && s.free == nil {
		*b = ackBlock{}
		s.free = b
	}
}

// setRange sets entries first..last of a ledger.
func (s *ackSet) setRange(ledger, first, last int64) {
	for e := first; e <= last; e++ {
		s.set(bk.Position{Ledger: ledger, Entry: e})
	}
}

// dropThrough clears everything up to and including p.
func (s *ackSet) dropThrough(p bk.Position) {
	i := s.at(p.Ledger)
	if i < len(s.ledgers) && s.ledgers[i].ledger == p.Ledger {
		s.dropBelow(&s.ledgers[i], p.Entry+1)
		if s.ledgers[i].n == 0 && i+1 < len(s.ledgers) {
			i++ // the last ledger stays: the next bits are set there
		}
	}
	if i == 0 {
		return
	}
	for k := range s.ledgers[:i] {
		l := &s.ledgers[k]
		s.n -= l.n
		s.runs -= l.runs
		for _, b := range l.blocks {
			s.recycle(b)
		}
	}
	n := copy(s.ledgers, s.ledgers[i:])
	clear(s.ledgers[n:])
	s.ledgers = s.ledgers[:n]
}

// dropBelow clears the bits of l below end. A run is counted where it begins, so one that goes on behind end is counted again.
func (s *ackSet) dropBelow(l *ledgerAcks, end int64) {
	joined := l.has(end-1) && l.has(end)
	gone, runs, carry := int64(0), 0, uint64(0)
	for len(l.blocks) > 0 && l.base<<10 < end {
		b, n := l.blocks[0], int(min(end-l.base<<10, blockBits))
		if b != nil {
			var set, begun int
			set, begun, carry = b.below(n, carry)
			gone += int64(set)
			runs += begun
		} else {
			carry = 0
		}
		if n < blockBits {
			l.blocks[0] = s.clearBelow(b, n)
			break
		}
		s.recycle(b)
		l.blocks[0] = nil
		l.blocks = l.blocks[1:]
		l.base++
	}
	if joined {
		runs--
	}
	l.n -= gone
	s.n -= gone
	l.runs -= runs
	s.runs -= runs
	if l.n == 0 {
		for i, b := range l.blocks {
			s.recycle(b)
			l.blocks[i] = nil
		}
		l.blocks = l.blocks[:0]
	}
}

// below counts the bits below n and the runs that begin there; carry is the bit before the block.
func (b *ackBlock) below(n int, carry uint64) (set, runs int, last uint64) {
	for i := 0; i*64 < n; i++ {
		w := b.words[i]
		if rest := n - i*64; rest < 64 {
			w &= 1<<rest - 1
		}
		set += bits.OnesCount64(w)
		runs += bits.OnesCount64(w &^ (w<<1 | carry))
		carry = w >> 63
	}
	return set, runs, carry
}

// clearBelow clears the bits of b below n, n < 1024, and returns the block that is left: nil when nothing is.
func (s *ackSet) clearBelow(b *ackBlock, n int) *ackBlock {
	if b == nil {
		return nil
	}
	if b == fullBlock {
		copied := *fullBlock
		b = &copied
	}
	b.n = 0
	for i := range b.words {
		switch rest := n - i*64; {
		case rest >= 64:
			b.words[i] = 0
		case rest > 0:
			b.words[i] &^= 1<<rest - 1
		}
		b.n += int32(bits.OnesCount64(b.words[i]))
	}
	if b.n == 0 {
		s.recycle(b)
		return nil
	}
	return b
}

// nextClear is the first entry ≥ from whose bit is clear.
func (l *ledgerAcks) nextClear(from int64) int64 {
	for l.has(from) {
		b := l.blocks[from>>10-l.base]
		if b == fullBlock {
			from = (from>>10 + 1) << 10
			continue
		}
		rest := ^(b.words[from>>6&(blockWord-1)] >> (from & 63))
		from += min(int64(bits.TrailingZeros64(rest)), 64-from&63)
	}
	return from
}

// nextSet is the first entry ≥ from whose bit is set, -1 when there is none.
func (l *ledgerAcks) nextSet(from int64) int64 {
	from = max(from, l.base<<10)
	for i := from>>10 - l.base; i < int64(len(l.blocks)); i = from>>10 - l.base {
		if b := l.blocks[i]; b != nil {
			if w := b.words[from>>6&(blockWord-1)] >> (from & 63); w != 0 {
				return from + int64(bits.TrailingZeros64(w))
			}
			from = (from>>6 + 1) << 6
			continue
		}
		from = (from>>10 + 1) << 10
	}
	return -1
}

// clearFrom is the first entry of the ledger at or behind from whose bit is clear.
func (s *ackSet) clearFrom(ledger, from int64) int64 {
	if l := s.find(ledger); l != nil {
		return l.nextClear(from)
	}
	return from
}

// each calls yield with each run of set bits, in order, until it returns false.
func (s *ackSet) each(yield func(ackRange) bool) {
	for i := range s.ledgers {
		l := &s.ledgers[i]
		for from := l.nextSet(0); from >= 0; {
			end := l.nextClear(from)
			if !yield(ackRange{l.ledger, from, end - 1}) {
				return
			}
			from = l.nextSet(end)
		}
	}
}

// reset clears all.
func (s *ackSet) reset() { *s = ackSet{free: s.free} }

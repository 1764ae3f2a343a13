package managed

import (
	"sort"

	"github.com/strobemq/strobe/storage/bk"
)

// link is one ledger of the chain, as the managed ledger's node records it (LedgerInfo, interop §7.2).
type link struct {
	ledger    int64
	entries   int64 // of the open ledger: those confirmed so far
	size      int64
	timestamp int64 // ms, when it was closed; 0 while it is open
	start     int64 // ordinal of its first entry: how many entries lie before it, counted from wherever the chain was loaded
	rest      []byte
}

// chain is the list of a managed ledger's ledgers, ascending. Ordinals number the entries through all of it, so that distances need
// one search instead of a walk; trimming does not change them. The zero chain is empty.
type chain struct {
	links []link
	next  int64 // ordinal of the entry that would come next
}

// push appends a ledger; its id is greater than all before it.
func (c *chain) push(l link) {
	l.start = c.next
	c.next += l.entries
	c.links = append(c.links, l)
}

// grow adds confirmed entries to the last ledger.
func (c *chain) grow(entries, size int64) {
	last := &c.links[len(c.links)-1]
	last.entries += entries
	last.size += size
	c.next += entries
}

// trim drops the first n ledgers.
func (c *chain) trim(n int) {
	c.links = append([]link(nil), c.links[n:]...)
}

// drop removes the ledger at index i. The ordinals of its entries stay unused.
func (c *chain) drop(i int) {
	c.links = append(c.links[:i:i], c.links[i+1:]...)
}

// at is the index of the first link whose ledger is ≥ id; len(links) when there is none.
func (c *chain) at(id int64) int {
	return sort.Search(len(c.links), func(i int) bool { return c.links[i].ledger >= id })
}

// find is the link of a ledger, nil when it is not in the chain.
func (c *chain) find(id int64) *link {
	if i := c.at(id); i < len(c.links) && c.links[i].ledger == id {
		return &c.links[i]
	}
	return nil
}

// ordinal is how many entries lie before p or at it: the ordinal of the first entry behind p.
func (c *chain) ordinal(p bk.Position) int64 {
	i := c.at(p.Ledger)
	if i == len(c.links) {
		return c.next
	}
	l := &c.links[i]
	if l.ledger != p.Ledger || p.Entry < 0 {
		return l.start
	}
	return l.start + min(p.Entry+1, l.entries)
}

// position is the entry with ordinal n, which must be one that exists.
func (c *chain) position(n int64) bk.Position {
	i := sort.Search(len(c.links), func(i int) bool { return c.links[i].start > n }) - 1
	return bk.Position{Ledger: c.links[i].ledger, Entry: n - c.links[i].start}
}

// first is the ordinal of the first entry there is (or would be).
func (c *chain) first() int64 {
	if len(c.links) == 0 {
		return c.next
	}
	return c.links[0].start
}

// atOrAfter is the first existing entry at or behind p; ok is false when there is none yet.
func (c *chain) atOrAfter(p bk.Position) (q bk.Position, ok bool) {
	for i := c.at(p.Ledger); i < len(c.links); i++ {
		l := &c.links[i]
		e := int64(0)
		if l.ledger == p.Ledger {
			e = max(p.Entry, 0)
		}
		if e < l.entries {
			return bk.Position{Ledger: l.ledger, Entry: e}, true
		}
	}
	return bk.Position{}, false
}

// last is the last entry there is, or the place before the first when there is none; bk.Earliest in an empty chain.
func (c *chain) last() bk.Position {
	for i := len(c.links) - 1; i >= 0; i-- {
		if n := c.links[i].entries; n > 0 || i == 0 {
			return bk.Position{Ledger: c.links[i].ledger, Entry: n - 1}
		}
	}
	return bk.Earliest
}

// ends reports whether p is the last entry of a closed ledger.
func (c *chain) ends(p bk.Position) bool {
	l := c.find(p.Ledger)
	return l != nil && l.timestamp != 0 && p.Entry == l.entries-1
}

// atOrBefore is the last existing entry at or before p; ok is false when there is none.
func (c *chain) atOrBefore(p bk.Position) (q bk.Position, ok bool) {
	p.Entry++
	q = c.before(p)
	return q, q.Entry >= 0
}

// before is the last existing entry before p, or the place before the first.
func (c *chain) before(p bk.Position) bk.Position {
	if p.Entry > 0 {
		p.Entry--
	} else {
		p = bk.Position{Ledger: p.Ledger, Entry: bk.NoEntry}
	}
	for i := min(c.at(p.Ledger), len(c.links)-1); i >= 0; i-- {
		l := &c.links[i]
		last := l.entries - 1
		switch {
		case l.ledger == p.Ledger:
			last = min(last, p.Entry)
		case l.ledger > p.Ledger:
			continue
		}
		if last >= 0 || i == 0 {
			return bk.Position{Ledger: l.ledger, Entry: last}
		}
	}
	if len(c.links) == 0 {
		return bk.Earliest
	}
	return bk.Position{Ledger: c.links[0].ledger, Entry: bk.NoEntry}
}

// bytes is the size of all entries.
func (c *chain) bytes() int64 {
	var n int64
	for i := range c.links {
		n += c.links[i].size
	}
	return n
}

// bytesThrough estimates the size of the entries up to and including p.
func (c *chain) bytesThrough(p bk.Position) int64 {
	var n int64
	for i := range c.links {
		switch l := &c.links[i]; {
		case l.ledger < p.Ledger:
			n += l.size
		case l.ledger == p.Ledger && l.entries > 0 && p.Entry >= 0:
			return n + int64(float64(l.size)/float64(l.entries)*float64(min(p.Entry+1, l.entries)))
		default:
			return n
		}
	}
	return n
}

// dropEmpty removes ledgers that were closed without an entry and returns them.
func (c *chain) dropEmpty() (ids []int64) {
	for i := 0; i < len(c.links); {
		if l := &c.links[i]; l.entries == 0 && l.timestamp != 0 {
			ids = append(ids, l.ledger)
			c.drop(i)
			continue
		}
		i++
	}
	return ids
}

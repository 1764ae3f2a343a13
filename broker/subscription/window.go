package subscription

import (
	"math/bits"
	"sort"

	"github.com/strobemq/strobe/storage/bk"
)

// slot is what a shared subscription remembers of an entry between reading it and its acknowledgement.
type slot struct {
	owner      *Consumer // who holds it; nil: it waits to be delivered (again), or is delayed
	only       *Consumer // a chunk waits for the consumer of its message
	charged    int32     // messages of it that count as unacknowledged
	redelivery uint32    // how often it was delivered before, as far as consumers gave it back
	hash       uint16    // key-shared
	hashed     bool      // hash is known
	held       bool      // it waits without ever having been given out
	delayed    bool      // it is not due; it is neither in flight nor waiting
}

// window is the entries a shared subscription has read and that are not acknowledged: in flight or waiting. It is made of blocks of
// 64 consecutive entries, so that an entry that stays unacknowledged for long costs one block and not everything behind
// it, and so that following the tail touches one block at a time and allocates none.
//
//	blocks in order of position: [7: 0…63] [7: 64…127] [9: 0…63]
//	each: present and waiting as one bit an entry, 64 slots
type window struct {
	blocks  []*block
	present int // entries in flight or waiting
	waiting int
	spare   []*block
}

const (
	blockBits  = 6
	blockSize  = 1 << blockBits
	spareLimit = 8
)

type block struct {
	ledger  int64
	base    int64 // entry of slot 0
	present uint64
	waiting uint64
	slots   [blockSize]slot
}

func (b *block) compare(ledger, base int64) int {
	return bk.Position{Ledger: b.ledger, Entry: b.base}.Compare(bk.Position{Ledger: ledger, Entry: base})
}

func split(p bk.Position) (base int64, i uint) {
	return p.Entry &^ (blockSize - 1), uint(p.Entry & (blockSize - 1))
}

// find returns the index of p's block, or where it would be.
func (w *window) find(ledger, base int64) (int, bool) {
	if n := len(w.blocks); n > 0 {
		switch c := w.blocks[n-1].compare(ledger, base); {
		case c == 0:
			return n - 1, true
		case c < 0:
			return n, false
		}
		if w.blocks[0].compare(ledger, base) == 0 {
			return 0, true
		}
	}
	i := sort.Search(len(w.blocks), func(i int) bool { return w.blocks[i].compare(ledger, base) >= 0 })
	return i, i < len(w.blocks) && w.blocks[i].compare(ledger, base) == 0
}

// get returns p's slot, or nil when p is not in the window.
func (w *window) get(p bk.Position) *slot {
	base, bit := split(p)
	if i, ok := w.find(p.Ledger, base); ok && w.blocks[i].present>>bit&1 != 0 {
		return &w.blocks[i].slots[bit]
	}
	return nil
}

// add makes a slot for p in flight, or returns the one there is.
func (w *window) add(p bk.Position) *slot {
	base, bit := split(p)
	i, ok := w.find(p.Ledger, base)
	if !ok {
		w.insert(i, p.Ledger, base)
	}
	b := w.blocks[i]
	if b.present>>bit&1 == 0 {
		b.present |= 1 << bit
		b.slots[bit] = slot{}
		w.present++
	}
	return &b.slots[bit]
}

func (w *window) insert(i int, ledger, base int64) {
	var b *block
	if n := len(w.spare); n > 0 {
		b = w.spare[n-1]
		w.spare = w.spare[:n-1]
	} else {
		b = new(block)
	}
	b.ledger, b.base = ledger, base
	w.blocks = append(w.blocks, nil)
	copy(w.blocks[i+1:], w.blocks[i:])
	w.blocks[i] = b
}

// wait marks p, which must be in the window, as waiting.
func (w *window) wait(p bk.Position) {
	base, bit := split(p)
	i, _ := w.find(p.Ledger, base)
	if b := w.blocks[i]; b.waiting>>bit&1 == 0 {
		b.waiting |= 1 << bit
		w.waiting++
	}
}

// take marks p, which must be in the window, as in flight.
func (w *window) take(p bk.Position) {
	base, bit := split(p)
	i, _ := w.find(p.Ledger, base)
	if b := w.blocks[i]; b.waiting>>bit&1 != 0 {
		b.waiting &^= 1 << bit
		w.waiting--
	}
}

// remove takes p out of the window; the slot's content goes with it.
func (w *window) remove(p bk.Position) {
	base, bit := split(p)
	i, ok := w.find(p.Ledger, base)
	if !ok || w.blocks[i].present>>bit&1 == 0 {
		return
	}
	b := w.blocks[i]
	b.present &^= 1 << bit
	b.slots[bit] = slot{}
	w.present--
	if b.waiting>>bit&1 != 0 {
		b.waiting &^= 1 << bit
		w.waiting--
	}
	if b.present == 0 {
		w.drop(i)
	}
}

func (w *window) drop(i int) {
	b := w.blocks[i]
	copy(w.blocks[i:], w.blocks[i+1:])
	w.blocks[len(w.blocks)-1] = nil
	w.blocks = w.blocks[:len(w.blocks)-1]
	if len(w.spare) < spareLimit {
		w.spare = append(w.spare, b)
	}
}

// removeThrough removes every entry up to p, telling gone of each first.
func (w *window) removeThrough(p bk.Position, gone func(bk.Position, *slot)) {
	for len(w.blocks) > 0 {
		b := w.blocks[0]
		if (bk.Position{Ledger: b.ledger, Entry: b.base}).Compare(p) > 0 {
			return
		}
		for m := b.present; m != 0; m &= m - 1 {
			bit := bits.TrailingZeros64(m)
			q := bk.Position{Ledger: b.ledger, Entry: b.base + int64(bit)}
			if q.Compare(p) > 0 {
				return
			}
			gone(q, &b.slots[bit])
			w.remove(q) // drops b with its last entry
		}
	}
}

// each calls do for the entries in order of position. do may mark and change the entry it is called for, and remove it; false ends.
func (w *window) each(do func(bk.Position, *slot) bool) {
	w.walk(do, func(b *block) uint64 { return b.present })
}

// eachWaiting is each for the entries that wait.
func (w *window) eachWaiting(do func(bk.Position, *slot) bool) {
	if w.waiting > 0 {
		w.walk(do, func(b *block) uint64 { return b.waiting })
	}
}

func (w *window) walk(do func(bk.Position, *slot) bool, of func(*block) uint64) {
	for i := 0; i < len(w.blocks); {
		b := w.blocks[i]
		for m := of(b); m != 0; m &= m - 1 {
			bit := bits.TrailingZeros64(m)
			if !do(bk.Position{Ledger: b.ledger, Entry: b.base + int64(bit)}, &b.slots[bit]) {
				return
			}
		}
		if i < len(w.blocks) && w.blocks[i] == b {
			i++
		}
	}
}

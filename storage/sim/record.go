package sim

import (
	"fmt"
	"sync"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/managed"
)

// entry is one entry that somebody published, and what became of it.
type entry struct {
	op      managed.Op
	tenure  *tenure
	number  int // in its tenure
	payload string
	sent    time.Duration

	// Guarded by record.mu:
	done  time.Duration // 0: not yet
	err   error
	acked bool
	pos   bk.Position
}

// record is what publishers, readers and consumers saw, to be judged.
type record struct {
	h *history

	mu       sync.Mutex
	entries  []*entry
	at       map[bk.Position]*entry    // acknowledged there
	seen     map[bk.Position]string    // read there by anybody
	steps    map[[2]bk.Position]string // of readers, from one entry to the next: who
	cursors  map[string]*cursorRecord
	ledgers  []int64 // that owners had in their lists
	isKnown  map[int64]bool
	inFlight int
	calm     *sync.Cond // of mu: inFlight changed
}

func newRecord(h *history) *record {
	r := &record{h: h, at: map[bk.Position]*entry{}, seen: map[bk.Position]string{}, steps: map[[2]bk.Position]string{}, cursors: map[string]*cursorRecord{}, isKnown: map[int64]bool{}}
	r.calm = sync.NewCond(&r.mu)
	return r
}

func (r *record) sends(list []*entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.h.now()
	for _, e := range list {
		e.sent = now
	}
	r.entries = append(r.entries, list...)
	r.inFlight += len(list)
}

// finished is told what became of entries, in the order in which the owner was told.
func (r *record) finished(done []*managed.Op) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inFlight -= len(done)
	r.calm.Broadcast()
	now := r.h.now()
	for _, op := range done {
		e := op.Ctx.(*entry)
		if e.done != 0 {
			r.h.fault("%s completed twice", e.payload)
		}
		if e.number != e.tenure.told {
			r.h.fault("%s completed out of order", e.payload)
		}
		e.tenure.told++
		e.done, e.err = now, op.Err
		if op.Err != nil || e.tenure.b.over() {
			continue
		}
		e.acked, e.pos = true, op.Position
		if other := r.at[e.pos]; other != nil {
			r.h.fault("%s and %s were both acknowledged at %v", other.payload, e.payload, e.pos)
		}
		r.at[e.pos] = e
		r.h.count("acknowledged entries", 1)
	}
}

// read notes entries that somebody read one after the other; after is the entry before them, or bk.Earliest.
func (r *record) read(who string, after bk.Position, list []managed.Entry) bk.Position {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range list {
		s := string(e.Payload.B)
		if was, ok := r.seen[e.Position]; ok && was != s {
			r.h.fault("%s reads %q at %v, somebody else read %q", who, s, e.Position, was)
		}
		r.seen[e.Position] = s
		if after != bk.Earliest {
			r.steps[[2]bk.Position{after, e.Position}] = who
			if !after.Less(e.Position) {
				r.h.fault("%s reads %v after %v", who, e.Position, after)
			}
		}
		after = e.Position
	}
	return after
}

// knows notes the ledgers of an owner's list.
func (r *record) knows(i managed.Info) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range i.Ledgers {
		if !r.isKnown[l.Ledger] {
			r.isKnown[l.Ledger] = true
			r.ledgers = append(r.ledgers, l.Ledger)
		}
	}
}

func (r *record) anyLedger(d *dice) (int64, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ledgers) == 0 {
		return 0, false
	}
	last := min(len(r.ledgers), 3)
	if d.one(3) {
		last = len(r.ledgers)
	}
	return r.ledgers[len(r.ledgers)-1-d.n(last)], true
}

// cursorRecord is what was done with one cursor by all owners.
type cursorRecord struct {
	name string

	mu      sync.Mutex
	upTo    bk.Position          // everything up to it was acknowledged at some time
	single  map[bk.Position]bool // and so were these
	resets  int                  // begun
	flushed bk.Position          // durable since the last of them
}

func (r *record) cursor(name string) *cursorRecord {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.cursors[name]
	if c == nil {
		c = &cursorRecord{name: name, upTo: bk.Earliest, single: map[bk.Position]bool{}, flushed: bk.Earliest}
		r.cursors[name] = c
	}
	return c
}

// acks notes single acknowledgements that are about to be made, cumulates one of everything up to p.
func (c *cursorRecord) acks(list []managed.Ack) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range list {
		c.single[a.Position] = true
	}
}

func (c *cursorRecord) cumulates(p bk.Position) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.upTo.Less(p) {
		c.upTo = p
	}
}

// resetsTo notes that the cursor is about to be moved so that next is the first that is open.
func (c *cursorRecord) resetsTo(next bk.Position) {
	c.cumulates(bk.Position{Ledger: next.Ledger, Entry: next.Entry - 1})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resets++
	c.flushed = bk.Earliest
}

// before is a picture to compare with later.
func (c *cursorRecord) before() (resets int, flushed bk.Position) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resets, c.flushed
}

// flushedTo notes that p is durable; resets is from before the flush began.
func (c *cursorRecord) flushedTo(p bk.Position, resets int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.resets == resets && c.flushed.Less(p) {
		c.flushed = p
	}
}

// was reports whether the entry at p was ever acknowledged.
func (c *cursorRecord) was(p bk.Position) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return p.Compare(c.upTo) <= 0 || c.single[p]
}

// loaded judges a cursor as an owner found it: resets and flushed are from before it was loaded. It returns what would be wrong if the
// cursor was found as it was then: while a former owner still writes it, another may find an older position, but writes nothing then.
func (c *cursorRecord) loaded(h *history, who string, l *managed.Ledger, k *managed.Cursor, resets int, flushed bk.Position) (doubt string) {
	at := k.MarkDelete()
	h.note("%s finds %s at %v", who, c.name, at)
	for _, i := range l.Info().Ledgers {
		for e := range i.Entries {
			p := bk.Position{Ledger: i.Ledger, Entry: e}
			if k.IsAcked(p) && !c.was(p) {
				h.fault("%s finds cursor %s at %v, with %v acknowledged, which nobody did", who, c.name, at, p)
				return ""
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// A cursor before the first entry that there is stands at the same place as one before that.
	if c.resets == resets && at.Less(flushed) && l.EntriesBetween(at, flushed) > 0 {
		return fmt.Sprintf("%s finds cursor %s at %v, %v was flushed", who, c.name, at, flushed)
	}
	return ""
}

func (e *entry) String() string {
	return fmt.Sprintf("%s at %v", e.payload[:min(20, len(e.payload))], e.pos)
}

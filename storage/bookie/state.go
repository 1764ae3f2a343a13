package bookie

import (
	"sync"
	"time"

	"github.com/strobemq/strobe/storage/bk"
)

// ledgerState is the key and the fence of one ledger. Its lock is held from a decision to the handing over of the record
// that the decision was about, so that records reach the log in the order of decisions: no entry that was let through
// before a fence comes behind the fence's record.
type ledgerState struct {
	id      int64
	holders int // guarded by Bookie.mu: the state may be dropped from memory when nobody holds it

	mu     sync.Mutex
	loaded bool
	hasKey bool
	key    [20]byte
	fence  *fence // nil: not fenced
	lost   bool   // not known here, but what was known may have been lost
}

// fence is one fencing of a ledger: its record is on the way, durable, or failed.
type fence struct {
	done chan struct{} // closed when the outcome is known
	err  bk.Code       // set before done is closed
}

var durableFence = func() *fence {
	f := &fence{done: make(chan struct{})}
	close(f.done)
	return f
}()

// load asks the store for what it knows of the ledger.
func (st *ledgerState) load(s Store) error {
	if st.loaded {
		return nil
	}
	state, err := s.Ledger(st.id)
	if err != nil && code(err) != bk.ErrNoLedger {
		return err
	}
	st.lost = err != nil && state.Limbo
	if err == nil {
		st.hasKey = copy(st.key[:], state.MasterKey) == len(st.key)
		if state.Fenced {
			st.fence = durableFence
		}
	}
	st.loaded = true
	return nil
}

// admit decides on an add.
func (st *ledgerState) admit(op *bk.BookieAdd) bk.Code {
	switch {
	case st.hasKey && st.key != op.MasterKey:
		return bk.ErrUnauthorized
	case op.Flags&bk.FlagRecoveryAdd != 0:
		return bk.OK
	case st.fence != nil:
		return bk.ErrFenced
	case st.lost && !st.hasKey && op.Entry > 0:
		return bk.ErrLimbo // a ledger that did not begin here after the loss may have been fenced here before it
	}
	return bk.OK
}

// keyRecord is the record that precedes a ledger's first; nil when the key is stored already.
func (st *ledgerState) keyRecord(b *Bookie, key [20]byte) *bk.Record {
	if st.hasKey {
		return nil
	}
	st.hasKey, st.key = true, key
	b.hold(st)
	return &bk.Record{Kind: bk.RecordMasterKey, Ledger: st.id, Head: st.key[:], Done: (*keyDone)(b), Ctx: st}
}

// keyDone learns what became of a key record. When it failed, so did the entry behind it; the next one brings it again.
type keyDone Bookie

func (k *keyDone) RecordsDone(done []*bk.Record) {
	b := (*Bookie)(k)
	for _, r := range done {
		st := r.Ctx.(*ledgerState)
		if r.Err != bk.OK {
			st.mu.Lock()
			st.hasKey = false
			st.mu.Unlock()
		}
		b.letGo(st)
	}
}

const (
	goneFor = 7 * 24 * time.Hour
	maxGone = 64 << 10
)

// fencedAndGone remembers ledgers that were fenced and then deleted here, so that a writer that slept through both is
// still told that it is fenced (interop §1.8). In memory, for seven days, a bounded number. Guarded by Bookie.mu.
type fencedAndGone struct {
	since map[int64]time.Time
	order []int64 // by age
}

func newFencedAndGone() fencedAndGone { return fencedAndGone{since: map[int64]time.Time{}} }

func (g *fencedAndGone) add(ledger int64, now time.Time) {
	for len(g.order) > 0 && (len(g.order) >= maxGone || now.Sub(g.since[g.order[0]]) > goneFor) {
		delete(g.since, g.order[0])
		g.order = g.order[1:]
	}
	if _, ok := g.since[ledger]; !ok {
		g.order = append(g.order, ledger)
		g.since[ledger] = now
	}
}

func (b *Bookie) isFencedAndGone(ledger int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.gone.since[ledger]
	return ok
}

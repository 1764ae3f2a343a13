package bookie

import (
	"sync"

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
	buried bool   // it was fenced here and then deleted, see grave.go
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
	st.lost, st.buried = err != nil && state.Limbo, false
	if err == nil {
		st.hasKey = copy(st.key[:], state.MasterKey) == len(st.key)
		if state.Fenced {
			st.fence = durableFence
		}
	} else if st.buried, err = buried(s, st.id); err != nil {
		return err
	}
	st.loaded = true
	return nil
}

// admit decides on an add.
func (st *ledgerState) admit(op *bk.BookieAdd) bk.Code {
	switch {
	case isGrave(st.id):
		return bk.ErrBadRequest
	case st.buried:
		return bk.ErrFenced
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

package bookie

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/strobemq/strobe/storage/bk"
)

// A ledger that was fenced here and then deleted leaves a grave. A writer that slept through both would otherwise begin the ledger anew on
// bookies that know nothing of it, and be told that entries are stored which nobody will ever read (interop §1.8; Apache remembers in
// memory only, so that a restart forgets).
//
// A grave is durable before the deletion is: the key record of another ledger, whose id has one more bit and whose key is the time of the
// burial. Ids of ledgers have no such bit: they are counted up from zero.
const (
	graveBit = int64(1) << 62
	// graveFor is how long a writer may sleep.
	graveFor = 7 * 24 * time.Hour
)

func grave(ledger int64) int64 { return ledger | graveBit }

func isGrave(id int64) bool { return id&graveBit != 0 }

// epitaph is what a grave's key record says: its time in seconds since 1970, big-endian, and zeros.
func epitaph(t time.Time) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(t.Unix())), make([]byte, 12)...)
}

// buried reports whether a ledger that is not here has a grave.
func buried(s Store, ledger int64) (bool, error) {
	_, err := s.Ledger(grave(ledger))
	if err != nil && code(err) != bk.ErrNoLedger {
		return false, err
	}
	return err == nil, nil
}

// expired reports whether a grave is old enough to be given up. One of the future was dug by a clock that was wrong and stays until then.
func expired(s Store, id int64, now time.Time) bool {
	state, err := s.Ledger(id)
	if err != nil || len(state.MasterKey) < 8 {
		return false
	}
	return now.Sub(time.Unix(int64(binary.BigEndian.Uint64(state.MasterKey)), 0)) > graveFor
}

// openGraves has graves deleted that nobody needs any more.
func (b *Bookie) openGraves(ctx context.Context) {
	var old []int64
	now := time.Now()
	b.store.Ledgers(func(id int64) bool {
		if isGrave(id) && expired(b.store, id, now) {
			old = append(old, id)
		}
		return ctx.Err() == nil
	})
	for _, id := range old {
		if st, err := b.acquire(id); err == nil {
			b.hold(st)
			b.delete(st)
			b.release(st)
		}
	}
}

// bury makes the grave of a ledger durable and then has the ledger deleted. The caller holds st, which is let go when it is done.
func (b *Bookie) bury(st *ledgerState) {
	b.store.Append([]*bk.Record{{Kind: bk.RecordMasterKey, Ledger: grave(st.id), Head: epitaph(time.Now()), Done: (*buryDone)(b), Ctx: st}})
}

// buryDone learns that a grave is durable, or not: then the ledger stays until the next pass.
type buryDone Bookie

func (d *buryDone) RecordsDone(done []*bk.Record) {
	b := (*Bookie)(d)
	for _, r := range done {
		st := r.Ctx.(*ledgerState)
		if r.Err != bk.OK {
			b.notDropped(st, r.Err)
			continue
		}
		b.delete(st)
	}
}

// Package bookie is a bookie: it decides whether an entry may be stored (fence, master key, read-only; interop §1.8) and
// leaves the storing to a Store. A bookie has an identity on its volume and in the metadata (cookie), a registration that
// tells clients it is there, and a collector that drops ledgers which are gone from the metadata.
//
// Open puts all of it together; New is the deciding part alone, over any Store.
package bookie

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/strobemq/strobe/storage/bk"
)

// maxStates is how many ledgers' keys and fences are kept in memory; those of others are asked of the store again.
const maxStates = 64 << 10

// Bookie stores entries of ledgers. Its methods are safe for concurrent use.
type Bookie struct {
	id    string
	store Store
	log   *slog.Logger
	queue int64

	mu     sync.Mutex
	states map[int64]*ledgerState
	conns  map[*Local]bool
	closed bool

	registered  *atomic.Bool // and nobody else is, under this id
	metrics     counters
	wasReadOnly chan struct{} // told when an add met a read-only store
	duty        []func()      // stops what join started, in reverse order
}

// New returns a bookie over store, which it closes at its own Close.
func New(id string, store Store, o Options) *Bookie {
	o = o.withDefaults()
	return &Bookie{
		id: id, store: store, log: o.Log.With("component", "bookie", "bookie", id), queue: o.QueueBytes,
		states: map[int64]*ledgerState{}, conns: map[*Local]bool{},
		wasReadOnly: make(chan struct{}, 1), registered: &atomic.Bool{},
	}
}

// ID is the bookie's id: what ledger metadata calls it.
func (b *Bookie) ID() string { return b.id }

// Registered is whether clients can find the bookie. It is not while it cannot reach the metadata, and they go on with the connections that
// they have.
func (b *Bookie) Registered() bool { return b.registered.Load() }

// ReadOnly is nil, or the fault for which the bookie takes no entries now.
func (b *Bookie) ReadOnly() error { return b.store.ReadOnly() }

// acquire returns what the bookie knows of a ledger, locked. Release it with release.
func (b *Bookie) acquire(ledger int64) (*ledgerState, error) {
	b.mu.Lock()
	st := b.states[ledger]
	if st == nil {
		if len(b.states) >= maxStates {
			b.forgetLocked()
		}
		st = &ledgerState{id: ledger}
		b.states[ledger] = st
	}
	st.holders++
	b.mu.Unlock()
	st.mu.Lock()
	if err := st.load(b.store); err != nil {
		st.mu.Unlock()
		b.letGo(st)
		return nil, err
	}
	return st, nil
}

// release unlocks st and lets it go.
func (b *Bookie) release(st *ledgerState) {
	st.mu.Unlock()
	b.letGo(st)
}

// hold keeps st in memory until letGo: some of what it says is not durable yet. The caller has it acquired.
func (b *Bookie) hold(st *ledgerState) {
	b.mu.Lock()
	st.holders++
	b.mu.Unlock()
}

func (b *Bookie) letGo(st *ledgerState) {
	b.mu.Lock()
	st.holders--
	b.mu.Unlock()
}

// forgetLocked drops half of the states that nobody holds; the store knows them.
func (b *Bookie) forgetLocked() {
	drop := len(b.states) / 2
	for id, st := range b.states {
		if drop == 0 {
			return
		}
		if st.holders == 0 {
			delete(b.states, id)
			drop--
		}
	}
}

// Close stops registration and collection, lets what was taken become durable, completes it, and closes the store. Idempotent.
func (b *Bookie) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	var conns []*Local
	for c := range b.conns {
		conns = append(conns, c)
	}
	duty := b.duty
	b.mu.Unlock()
	for i := len(duty) - 1; i >= 0; i-- {
		duty[i]()
	}
	for _, c := range conns {
		c.refuse()
	}
	err := b.store.Close()
	for _, c := range conns {
		c.Close()
	}
	if err != nil {
		return fmt.Errorf("bookie %s: %w", b.id, err)
	}
	return nil
}

// code is the result code in err's chain; bk.ErrIO for an error that has none.
func code(err error) bk.Code {
	for e := err; e != nil; {
		if c, ok := e.(bk.Code); ok {
			return c
		}
		u, ok := e.(interface{ Unwrap() error })
		if !ok {
			break
		}
		e = u.Unwrap()
	}
	return bk.ErrIO
}

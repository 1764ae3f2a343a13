package storagetest

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/strobemq/strobe/storage/bk"
)

// MapStore is a bookie's store in memory: one committing goroutine that takes what waits, "syncs", and completes it in
// order. What was not synced is not read and does not survive Crash.
type MapStore struct {
	// Fail answers a record without storing it; bk.OK lets it pass. Called on the committing goroutine.
	Fail func(*bk.Record) bk.Code

	mu       sync.Mutex
	wake     *sync.Cond
	queue    []*bk.Record
	syncTime time.Duration
	held     bool
	off      bool
	closed   bool
	readOnly error
	ledgers  map[int64]*mapLedger
	fences   int
	joined   chan struct{}
}

type mapLedger struct {
	state   bk.LedgerState
	entries map[int64][]byte
	last    int64
}

// NewMapStore returns an empty store that is closed at the end of t.
func NewMapStore(t testing.TB) *MapStore { return newMapStore(t, map[int64]*mapLedger{}) }

func newMapStore(t testing.TB, ledgers map[int64]*mapLedger) *MapStore {
	s := &MapStore{ledgers: ledgers, joined: make(chan struct{})}
	s.wake = sync.NewCond(&s.mu)
	go s.commit()
	t.Cleanup(func() { s.Close() })
	return s
}

// Append implements bookie.Store.
func (s *MapStore) Append(records []*bk.Record) {
	s.mu.Lock()
	s.queue = append(s.queue, records...)
	s.wake.Broadcast()
	s.mu.Unlock()
}

// SetSyncTime says how long a sync takes from now on; for tests in fake time.
func (s *MapStore) SetSyncTime(d time.Duration) {
	s.mu.Lock()
	s.syncTime = d
	s.mu.Unlock()
}

// Hold stops syncing: what is appended waits.
func (s *MapStore) Hold() {
	s.mu.Lock()
	s.held = true
	s.mu.Unlock()
}

// Unhold syncs again.
func (s *MapStore) Unhold() {
	s.mu.Lock()
	s.held = false
	s.wake.Broadcast()
	s.mu.Unlock()
}

// SetReadOnly makes the store refuse entries, for a reason, or take them again (nil).
func (s *MapStore) SetReadOnly(reason error) {
	s.mu.Lock()
	s.readOnly = reason
	s.mu.Unlock()
}

// Damage flips a bit of a stored entry; it reports false when the entry is not there.
func (s *MapStore) Damage(ledger, entry int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.ledgers[ledger]
	if l == nil || l.entries[entry] == nil {
		return false
	}
	damaged := bytes.Clone(l.entries[entry])
	damaged[len(damaged)-1] ^= 1
	l.entries[entry] = damaged
	return true
}

// Lose forgets a stored entry, or with bk.NoEntry all entries of the ledger, as a disk that lost its log would; limbo says
// whether the store knows that it may have lost some.
func (s *MapStore) Lose(ledger, entry int64, limbo bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.ledgers[ledger]
	if l == nil {
		return
	}
	l.state.Limbo = limbo
	for e := range l.entries {
		if e == entry || entry == bk.NoEntry {
			delete(l.entries, e)
		}
	}
	l.last = bk.NoEntry
	for e := range l.entries {
		l.last = max(l.last, e)
	}
}

// Entries is how many entries of a ledger are durable here.
func (s *MapStore) Entries(ledger int64) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.ledgers[ledger]; l != nil {
		return len(l.entries)
	}
	return 0
}

// Has reports whether an entry is durable here.
func (s *MapStore) Has(ledger, entry int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.ledgers[ledger]
	return l != nil && l.entries[entry] != nil
}

// Fences is how many fence records were stored.
func (s *MapStore) Fences() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fences
}

// PowerOff ends the store as a power cut does: nothing becomes durable any more, and whoever waits or comes gets bk.ErrIO.
func (s *MapStore) PowerOff() {
	s.mu.Lock()
	s.off, s.held = true, false
	s.wake.Broadcast()
	s.mu.Unlock()
}

// Crash is what a power cut leaves: a new store with what was durable. The old one is off.
func (s *MapStore) Crash(t testing.TB) *MapStore {
	s.PowerOff()
	s.mu.Lock()
	defer s.mu.Unlock()
	ledgers := map[int64]*mapLedger{}
	for id, l := range s.ledgers {
		c := &mapLedger{state: l.state, entries: map[int64][]byte{}, last: l.last}
		for e, b := range l.entries {
			c.entries[e] = b
		}
		ledgers[id] = c
	}
	next := newMapStore(t, ledgers)
	next.Fail = s.Fail
	return next
}

func (s *MapStore) commit() {
	defer close(s.joined)
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for !s.closed && (s.held || len(s.queue) == 0) {
			s.wake.Wait()
		}
		if len(s.queue) == 0 {
			return
		}
		group, took := s.queue, s.syncTime
		s.queue = nil
		s.mu.Unlock()
		for _, r := range group {
			r.Err = bk.OK
			if s.Fail != nil {
				r.Err = s.Fail(r)
			}
		}
		if took > 0 {
			time.Sleep(took)
		}
		s.mu.Lock()
		for _, r := range group {
			switch {
			case s.off:
				r.Err = bk.ErrIO
			case r.Err == bk.OK && s.readOnly != nil && r.Kind == bk.RecordEntry:
				r.Err = bk.ErrReadOnly
			}
			if r.Err == bk.OK {
				s.applyLocked(r)
			}
		}
		s.mu.Unlock()
		for len(group) > 0 {
			n := 1
			for n < len(group) && group[n].Done == group[0].Done {
				n++
			}
			group[0].Done.RecordsDone(group[:n:n])
			group = group[n:]
		}
		s.mu.Lock()
	}
}

func (s *MapStore) applyLocked(r *bk.Record) {
	if r.Kind == bk.RecordDelete {
		delete(s.ledgers, r.Ledger)
		return
	}
	l := s.ledgers[r.Ledger]
	if l == nil {
		l = &mapLedger{entries: map[int64][]byte{}, last: bk.NoEntry}
		s.ledgers[r.Ledger] = l
	}
	switch r.Kind {
	case bk.RecordEntry:
		l.entries[r.Entry] = append(append([]byte{}, r.Head...), r.Body.B...)
		l.last = max(l.last, r.Entry)
	case bk.RecordMasterKey:
		l.state.MasterKey = bytes.Clone(r.Head)
	case bk.RecordFence:
		l.state.Fenced = true
		s.fences++
	case bk.RecordExplicitLAC:
		l.state.ExplicitLAC = bytes.Clone(r.Head)
	}
}

// Read implements bookie.Store.
func (s *MapStore) Read(ledger, first, last int64, maxBytes int) ([]bk.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.ledgers[ledger]
	if l == nil {
		return nil, bk.ErrNoLedger
	}
	var out []bk.Entry
	size := 0
	for e := first; e <= last; e++ {
		b, ok := l.entries[e]
		if !ok || len(out) > 0 && size+len(b) > maxBytes {
			break
		}
		size += len(b)
		slab := bk.NewSlab(len(b))
		out = append(out, bk.Entry{Ledger: ledger, Entry: e, Payload: slab.Buf(0, copy(slab.Bytes(), b))})
		slab.Release()
	}
	switch {
	case len(out) > 0:
		return out, nil
	case l.state.Limbo:
		return nil, bk.ErrLimbo
	}
	return nil, bk.ErrNoEntry
}

// LastEntry implements bookie.Store.
func (s *MapStore) LastEntry(ledger int64) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.ledgers[ledger]
	switch {
	case l == nil:
		return 0, bk.ErrNoLedger
	case l.last == bk.NoEntry:
		return 0, bk.ErrNoEntry
	}
	return l.last, nil
}

// Ledger implements bookie.Store.
func (s *MapStore) Ledger(ledger int64) (bk.LedgerState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.ledgers[ledger]; l != nil {
		return l.state, nil
	}
	return bk.LedgerState{}, bk.ErrNoLedger
}

// Ledgers implements bookie.Store.
func (s *MapStore) Ledgers(yield func(ledger int64) bool) {
	s.mu.Lock()
	var ids []int64
	for id := range s.ledgers {
		ids = append(ids, id)
	}
	s.mu.Unlock()
	for _, id := range ids {
		if !yield(id) {
			return
		}
	}
}

// ReadOnly implements bookie.Store.
func (s *MapStore) ReadOnly() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.readOnly
}

// Close implements bookie.Store: it syncs what waits.
func (s *MapStore) Close() error {
	s.mu.Lock()
	s.closed, s.held = true, false
	s.wake.Broadcast()
	s.mu.Unlock()
	<-s.joined
	return nil
}

package storagetest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/strobemq/strobe/storage/bk"
)

// MemLedgers is bk.Ledgers in memory, for the tests of whoever stands above ledgers: fast, deterministic, without bookies,
// with faults on demand. It keeps every promise of the seam (storagetest.Ledgers says which) and reports to its test who
// breaks the caller's part: bytes that change between Add and Done, or calls of Add that overlap.
//
// It stands for the bookies and the metadata together, so it survives "crashes": build the next incarnation of what is
// tested on the same MemLedgers and the former writers are fenced when their ledgers are recovered.
type MemLedgers struct {
	// Before is asked before an operation has any effect, After when its effect is there but its answer is not. An error
	// is what the operation answers. Set them before use or from one goroutine while nothing runs; they are called without
	// locks. After the error of an add the writer takes no more adds: they fail with the same error.
	Before func(MemOp) error
	After  func(MemOp) error
	// KeepPending says how many of a writer's pending adds a recovery finds and makes durable, although the writer was
	// never told: between 0 and pending. Nil: all.
	KeepPending func(ledger int64, pending int) int

	t testing.TB

	mu      sync.Mutex
	wake    *sync.Cond // of mu: something for the completing goroutine, or it finished a list
	next    int64
	ledgers map[int64]*memLedger
	ready   []*memWriter // writers with adds that may complete
	held    bool
	allow   int // adds that may complete although held
	closed  bool
	joined  chan struct{}
}

// MemOp is what Before and After are asked about.
type MemOp struct {
	Name   string // create, open, recover, add, read, close, delete
	Ledger int64  // -1 for create in Before
	Entry  int64  // of add; first of read; else -1
}

type memState uint8

const (
	memOpen memState = iota
	memClosed
)

// memLedger is what the bookies and the metadata hold of one ledger. Its fields are guarded by MemLedgers.mu.
type memLedger struct {
	id      int64
	options bk.CreateOptions
	state   memState
	writer  *memWriter
	entries [][]byte // all that reached a bookie, confirmed or not
	lac     int64
	length  int64 // payload bytes up to lac
}

// NewMemLedgers returns memory ledgers that are closed at the end of t.
func NewMemLedgers(t testing.TB) *MemLedgers {
	m := &MemLedgers{t: t, ledgers: map[int64]*memLedger{}, joined: make(chan struct{})}
	m.wake = sync.NewCond(&m.mu)
	go m.complete()
	t.Cleanup(m.Close)
	return m
}

var _ bk.Ledgers = (*MemLedgers)(nil)

// Create implements bk.Ledgers. Ids count from 0.
func (m *MemLedgers) Create(ctx context.Context, o bk.CreateOptions) (bk.Ledger, error) {
	if err := m.before("create", -1, -1); err != nil {
		return nil, err
	}
	m.mu.Lock()
	l := &memLedger{id: m.next, options: o, lac: bk.NoEntry}
	m.next++
	m.ledgers[l.id] = l
	l.writer = &memWriter{m: m, l: l}
	m.mu.Unlock()
	if err := m.after("create", l.id, -1); err != nil {
		return nil, err
	}
	return l.writer, nil
}

// Open implements bk.Ledgers.
func (m *MemLedgers) Open(ctx context.Context, id int64, recover bool) (bk.Ledger, error) {
	name := "open"
	if recover {
		name = "recover"
	}
	if err := m.before(name, id, -1); err != nil {
		return nil, err
	}
	m.mu.Lock()
	l := m.ledgers[id]
	if l == nil {
		m.mu.Unlock()
		return nil, fmt.Errorf("ledger %d: %w", id, bk.ErrNoLedger)
	}
	if recover {
		m.recoverLocked(l)
	}
	r := &memReader{m: m, l: l, lac: l.lac, length: l.length}
	m.mu.Unlock()
	if err := m.after(name, id, -1); err != nil {
		return nil, err
	}
	return r, nil
}

// recoverLocked fences l's writer, keeps some of what it had pending, and closes l.
func (m *MemLedgers) recoverLocked(l *memLedger) {
	if l.state == memClosed {
		return
	}
	pending := len(l.entries) - int(l.lac+1)
	keep := pending
	if m.KeepPending != nil {
		keep = min(max(m.KeepPending(l.id, pending), 0), pending)
	}
	for range keep {
		l.confirm()
	}
	l.entries = l.entries[:l.lac+1]
	l.state = memClosed
	l.writer.breakLocked(bk.ErrFenced)
}

// confirm moves the last-add-confirmed of l over the next entry.
func (l *memLedger) confirm() {
	l.lac++
	l.length += int64(len(l.entries[l.lac]))
}

// Delete implements bk.Ledgers. Open handles answer bk.ErrNoLedger from then on.
func (m *MemLedgers) Delete(ctx context.Context, id int64) error {
	if err := m.before("delete", id, -1); err != nil {
		return err
	}
	m.mu.Lock()
	if l := m.ledgers[id]; l != nil {
		delete(m.ledgers, id)
		l.state = memClosed
		l.writer.breakLocked(bk.ErrNoLedger)
	}
	m.mu.Unlock()
	return m.after("delete", id, -1)
}

// Hold stops the completion of adds: what is added is on the bookies but nobody is told, until Step or Unhold.
func (m *MemLedgers) Hold() {
	m.mu.Lock()
	m.held, m.allow = true, 0
	m.mu.Unlock()
}

// Step lets n more adds complete while held, oldest writer first.
func (m *MemLedgers) Step(n int) {
	m.mu.Lock()
	m.allow += n
	m.wake.Broadcast()
	m.mu.Unlock()
}

// Unhold lets everything complete again.
func (m *MemLedgers) Unhold() {
	m.mu.Lock()
	m.held = false
	m.wake.Broadcast()
	m.mu.Unlock()
}

// Pending is the number of adds that wait for their completion.
func (m *MemLedgers) Pending() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, w := range m.ready {
		n += w.pending.n
	}
	return n
}

// IDs is the ids of the ledgers that exist, sorted.
func (m *MemLedgers) IDs() []int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	ids := make([]int64, 0, len(m.ledgers))
	for id := range m.ledgers {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Options is what the ledger was created with; false when it does not exist.
func (m *MemLedgers) Options(id int64) (bk.CreateOptions, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.ledgers[id]
	if l == nil {
		return bk.CreateOptions{}, false
	}
	return l.options, true
}

// IsClosed reports whether the ledger's metadata says closed.
func (m *MemLedgers) IsClosed(id int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.ledgers[id]
	return l != nil && l.state == memClosed
}

func (m *MemLedgers) before(name string, ledger, entry int64) error {
	if m.Before == nil {
		return nil
	}
	return m.Before(MemOp{name, ledger, entry})
}

func (m *MemLedgers) after(name string, ledger, entry int64) error {
	if m.After == nil {
		return nil
	}
	return m.After(MemOp{name, ledger, entry})
}

// complete is the completing goroutine: it tells the owners of adds, in entry order per ledger, in lists.
func (m *MemLedgers) complete() {
	defer close(m.joined)
	var list []*bk.Add
	m.mu.Lock()
	defer m.mu.Unlock()
	for {
		w := m.nextLocked()
		if w == nil {
			if m.closed {
				return
			}
			m.wake.Wait()
			continue
		}
		list = w.takeLocked(list[:0])
		m.mu.Unlock()
		for rest := list; len(rest) > 0; { // one call for each run of adds with the same owner
			n := 1
			for n < len(rest) && rest[n].Done == rest[0].Done {
				n++
			}
			rest[0].Done.AddsDone(rest[:n:n])
			rest = rest[n:]
		}
		m.mu.Lock()
		w.busy = false
		m.wake.Broadcast()
	}
}

// nextLocked is the first writer of which something may complete.
func (m *MemLedgers) nextLocked() *memWriter {
	for i, w := range m.ready {
		if w.pending.n == 0 {
			continue
		}
		if !m.held || m.allow > 0 || w.err != nil {
			m.ready = append(m.ready[:i:i], m.ready[i+1:]...)
			if w.err == nil && m.held && m.allow < w.pending.n {
				m.ready = append([]*memWriter{w}, m.ready...) // some will be left
			} else {
				w.queued = false
			}
			return w
		}
	}
	return nil
}

// Close completes what is pending with bk.ErrClosed and joins the completing goroutine. Idempotent.
func (m *MemLedgers) Close() {
	m.mu.Lock()
	if !m.closed {
		m.closed = true
		for _, w := range slices.Clone(m.ready) {
			w.breakLocked(bk.ErrClosed)
		}
	}
	m.wake.Broadcast()
	m.mu.Unlock()
	<-m.joined
}

// changed reports whether the lender of a's bytes changed them before a was completed.
func changed(a *bk.Add, stored []byte) bool {
	return !bytes.HasPrefix(stored, a.Head) || !bytes.Equal(stored[len(a.Head):], a.Body.B)
}

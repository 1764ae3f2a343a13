package storagetest

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/strobemq/strobe/storage/bk"
)

// memWriter is the handle that Create returned. Fields are guarded by MemLedgers.mu.
type memWriter struct {
	m       *MemLedgers
	l       *memLedger
	adding  atomic.Bool
	pending addList
	err     error // why nothing can be added any more
	broken  int64 // with err: the first entry that gets it
	queued  bool  // in m.ready
	busy    bool  // the completing goroutine holds a list of it
}

// addList is a queue of adds linked through Next.
type addList struct {
	first, last *bk.Add
	n           int
}

func (q *addList) push(a *bk.Add) {
	a.Next = nil
	if q.last == nil {
		q.first = a
	} else {
		q.last.Next = a
	}
	q.last = a
	q.n++
}

func (q *addList) pop() *bk.Add {
	a := q.first
	q.first, a.Next = a.Next, nil
	if q.first == nil {
		q.last = nil
	}
	q.n--
	return a
}

func (w *memWriter) ID() int64 { return w.l.id }

func (w *memWriter) Add(adds []*bk.Add) {
	m := w.m
	if !w.adding.CompareAndSwap(false, true) {
		m.t.Errorf("ledger %d: calls of Add overlap", w.l.id)
	}
	defer w.adding.Store(false)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range adds {
		a.Entry = bk.NoEntry
		if w.err == nil {
			a.Entry = int64(len(w.l.entries))
			m.mu.Unlock()
			err := m.before("add", w.l.id, a.Entry)
			stored := err == nil
			if stored {
				err = m.after("add", w.l.id, a.Entry)
			}
			m.mu.Lock()
			if stored && w.err == nil {
				w.l.entries = append(w.l.entries, append(append([]byte{}, a.Head...), a.Body.B...))
			}
			if err != nil && w.err == nil {
				w.err, w.broken = err, a.Entry
			}
		}
		w.pending.push(a)
	}
	w.wakeLocked()
}

// wakeLocked tells the completing goroutine that w has something.
func (w *memWriter) wakeLocked() {
	if !w.queued && w.pending.n > 0 {
		w.queued = true
		w.m.ready = append(w.m.ready, w)
	}
	w.m.wake.Broadcast()
}

// breakLocked lets everything that is pending fail with err, and everything that comes.
func (w *memWriter) breakLocked(err error) {
	if w.err == nil {
		w.err, w.broken = err, 0
	}
	w.wakeLocked()
}

// takeLocked moves the adds that may complete now into list, with their results.
func (w *memWriter) takeLocked(list []*bk.Add) []*bk.Add {
	m := w.m
	for w.pending.n > 0 {
		fails := w.err != nil && (w.pending.first.Entry >= w.broken || w.pending.first.Entry == bk.NoEntry)
		if !fails && m.held {
			if m.allow == 0 {
				if w.err != nil {
					fails = true // what waited before the error must not wait for ever
				} else {
					break
				}
			} else {
				m.allow--
			}
		}
		a := w.pending.pop()
		a.Err = nil
		if a.Entry >= 0 && a.Entry < int64(len(w.l.entries)) && changed(a, w.l.entries[a.Entry]) {
			m.t.Errorf("ledger %d entry %d: the bytes were changed before the add was completed", w.l.id, a.Entry)
		}
		if fails {
			a.Err = fmt.Errorf("ledger %d: %w", w.l.id, w.err)
		} else {
			w.l.confirm()
		}
		list = append(list, a)
	}
	w.busy = true
	return list
}

func (w *memWriter) Read(ctx context.Context, first, last int64, maxBytes int) ([]bk.Entry, error) {
	return w.m.read(w.l, first, last, maxBytes, nil)
}

func (w *memWriter) LastConfirmed() (entry, length int64) {
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	return w.l.lac, w.l.length
}

func (w *memWriter) Close(ctx context.Context) error {
	m := w.m
	if err := m.before("close", w.l.id, -1); err != nil {
		return err
	}
	m.mu.Lock()
	w.breakLocked(bk.ErrClosed)
	for w.pending.n > 0 || w.busy {
		m.wake.Wait()
	}
	if w.l.state == memOpen {
		w.l.entries = w.l.entries[:w.l.lac+1]
		w.l.state = memClosed
	}
	m.mu.Unlock()
	return m.after("close", w.l.id, -1)
}

// memReader is a handle from Open.
type memReader struct {
	m           *MemLedgers
	l           *memLedger
	lac, length int64
	closed      atomic.Bool
}

func (r *memReader) ID() int64 { return r.l.id }

func (r *memReader) Add(adds []*bk.Add) {
	for _, a := range adds {
		a.Entry = bk.NoEntry
	}
	w := &memWriter{m: r.m, l: r.l, err: bk.ErrLedgerClosed}
	r.m.mu.Lock()
	for _, a := range adds {
		w.pending.push(a)
	}
	w.wakeLocked()
	r.m.mu.Unlock()
}

func (r *memReader) Read(ctx context.Context, first, last int64, maxBytes int) ([]bk.Entry, error) {
	if r.closed.Load() {
		return nil, fmt.Errorf("ledger %d: %w", r.l.id, bk.ErrClosed)
	}
	return r.m.read(r.l, first, last, maxBytes, &r.lac)
}

func (r *memReader) LastConfirmed() (entry, length int64) { return r.lac, r.length }

func (r *memReader) Close(ctx context.Context) error {
	r.closed.Store(true)
	return nil
}

// read returns confirmed entries; limit, where given, is the last-add-confirmed that the handle knows.
func (m *MemLedgers) read(l *memLedger, first, last int64, maxBytes int, limit *int64) ([]bk.Entry, error) {
	if err := m.before("read", l.id, first); err != nil {
		return nil, err
	}
	entries, err := m.readStored(l, first, last, maxBytes, limit)
	if err != nil {
		return nil, fmt.Errorf("ledger %d entry %d: %w", l.id, first, err)
	}
	if err := m.after("read", l.id, first); err != nil {
		for _, e := range entries {
			e.Payload.Release()
		}
		return nil, err
	}
	return entries, nil
}

func (m *MemLedgers) readStored(l *memLedger, first, last int64, maxBytes int, limit *int64) ([]bk.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	lac := l.lac
	if limit != nil {
		lac = *limit
	}
	switch {
	case first < 0 || last < first:
		return nil, bk.ErrBadRequest
	case m.ledgers[l.id] != l:
		return nil, bk.ErrNoLedger
	case first > lac:
		return nil, bk.ErrNoEntry
	}
	last = min(last, lac)
	size, n := len(l.entries[first]), int64(1)
	for first+n <= last && size+len(l.entries[first+n]) <= maxBytes {
		size += len(l.entries[first+n])
		n++
	}
	slab := bk.NewSlab(size)
	defer slab.Release()
	out := make([]bk.Entry, 0, n)
	at := 0
	for e := first; e < first+n; e++ {
		end := at + copy(slab.Bytes()[at:], l.entries[e])
		out = append(out, bk.Entry{Ledger: l.id, Entry: e, Payload: slab.Buf(at, end)})
		at = end
	}
	return out, nil
}

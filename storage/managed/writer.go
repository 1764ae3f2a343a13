package managed

import (
	"time"

	"github.com/strobemq/strobe/storage/bk"
)

// writer is the current ledger of a managed ledger. It receives the completions of its adds, so that those of a ledger that was
// given up cannot be taken for those of the next. Its fields are guarded by Ledger.mu.
type writer struct {
	l      *Ledger
	ledger bk.Ledger
	id     int64
	begun  time.Time
	timer  *time.Timer // rolls it over by time

	entries  int64 // submitted
	bytes    int64
	inflight int    // submitted, and not yet handed to their receivers
	full     bool   // takes no more; is replaced when nothing is in flight
	broken   error  // why it takes no more and must be recovered
	closed   bool   // its bk.Ledger was closed after it broke
	failed   opList // came back without being durable for certain, in order

	adds []*bk.Add // scratch of submitLocked
	done []*Op     // scratch of AddsDone; calls for one ledger do not overlap
}

func (w *writer) open() bool { return !w.full && w.broken == nil }

// submitLocked hands ops to the ledger and looks whether it is full now.
func (w *writer) submitLocked(ops []*Op) {
	w.adds = w.adds[:0]
	for _, op := range ops {
		w.takeLocked(op)
	}
	w.sendLocked()
}

func (w *writer) takeLocked(op *Op) {
	op.Next = nil
	op.Add.Next, op.Add.Err, op.Add.Done, op.Add.Ctx = nil, nil, w, op
	w.adds = append(w.adds, &op.Add)
	w.bytes += int64(op.Add.Len())
}

func (w *writer) sendLocked() {
	w.entries += int64(len(w.adds))
	w.inflight += len(w.adds)
	w.ledger.Add(w.adds)
	clear(w.adds)
	cfg := &w.l.cfg
	switch {
	case w.entries < cfg.MaxEntriesPerLedger/10*9 && w.bytes < cfg.MaxBytesPerLedger/10*9:
	case w.entries >= cfg.MaxEntriesPerLedger || w.bytes >= cfg.MaxBytesPerLedger:
		w.full = cfg.MinRollover == 0 || time.Since(w.begun) >= cfg.MinRollover
	case w.l.spare == nil && !w.l.wantSpare:
		w.l.wantSpare = true
		w.l.kickLocked()
	}
}

// expire rolls the ledger over by its age.
func (w *writer) expire() {
	w.l.mu.Lock()
	defer w.l.mu.Unlock()
	if w.l.w == w && w.broken == nil {
		w.full = true
		w.l.kickLocked()
	}
}

// AddsDone implements bk.AddsDone: entries are cached, then counted as confirmed, then reported.
func (w *writer) AddsDone(adds []*bk.Add) {
	l := w.l
	n := 0
	for n < len(adds) && adds[n].Err == nil {
		n++
	}
	l.m.cache.put(w.id, adds[:n])

	l.mu.Lock()
	w.done = w.done[:0]
	var entries, bytes int64
	for _, a := range adds {
		op := a.Ctx.(*Op)
		if w.broken == nil && a.Err != nil {
			w.broken = a.Err
		}
		if w.broken != nil {
			w.failed.push(op)
			continue
		}
		op.Position, op.Err = bk.Position{Ledger: w.id, Entry: a.Entry}, nil
		entries++
		bytes += int64(a.Len())
		w.done = append(w.done, op)
	}
	if entries > 0 {
		l.chain.grow(entries, bytes)
		l.lac = w.done[entries-1].Position
	}
	l.mu.Unlock()

	complete(w.done)
	clear(w.done)

	l.mu.Lock()
	w.inflight -= len(adds)
	if w.broken != nil || w.full && w.inflight == 0 {
		l.kickLocked()
	}
	l.mu.Unlock()
}

package managed

import (
	"math/rand/v2"
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
	until  time.Time   // when it is old enough to be rolled over
	last   time.Time   // of the last confirmed entry
	timer  *time.Timer // rolls it over by time

	wanter  bk.RolloverWanter // the ledger's opinion on being replaced; nil: it has none
	checked time.Time         // when it was asked

	entries  int64 // submitted
	bytes    int64
	inflight int         // submitted, and not yet handed to their receivers
	full     bool        // takes no more; is replaced when nothing is in flight
	over     bool        // takes more although it is full: the metadata is away (see overrun.go)
	ending   bool        // the list may say where it ends already: it must not take more
	overrun  time.Time   // when a successor is tried for next
	patience *time.Timer // ends the wait for the successor
	broken   error       // why it takes no more and must be recovered
	closed   bool        // its bk.Ledger was closed after it broke
	failed   opList      // came back without being durable for certain, in order

	adds []*bk.Add // scratch of submitLocked
	done []*Op     // scratch of AddsDone; calls for one ledger do not overlap
}

func (l *Ledger) newWriterLocked(next bk.Ledger) *writer {
	now := time.Now()
	w := &writer{l: l, ledger: next, id: next.ID(), begun: now, last: now, checked: now}
	w.wanter, _ = next.(bk.RolloverWanter)
	w.armLocked()
	return w
}

func (w *writer) open() bool { return !w.full && w.broken == nil }

// submitLocked hands ops to the ledger and looks whether it is full now.
func (w *writer) submitLocked(ops []*Op) {
	for _, op := range ops {
		w.takeLocked(op)
	}
	w.sendLocked()
}

// submitAllLocked hands over all that waited.
func (w *writer) submitAllLocked() {
	for op := w.l.waiting.pop(); op != nil; op = w.l.waiting.pop() {
		w.takeLocked(op)
	}
	if len(w.adds) > 0 {
		w.sendLocked()
	}
}

// submitWaitingLocked hands over what waited, as much of it as makes the ledger full.
func (w *writer) submitWaitingLocked() {
	cfg := w.l.cfg
	for cfg.MinRollover > 0 || int64(len(w.adds)) < cfg.MaxEntriesPerLedger && w.bytes < cfg.MaxBytesPerLedger {
		op := w.l.waiting.pop()
		if op == nil {
			break
		}
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
	w.adds = w.adds[:0]
	cfg := w.l.cfg
	switch {
	case w.over:
		w.tryOnLocked()
	case w.entries < cfg.MaxEntriesPerLedger-cfg.MaxEntriesPerLedger/10 && w.bytes < cfg.MaxBytesPerLedger-cfg.MaxBytesPerLedger/10:
	case w.entries >= cfg.MaxEntriesPerLedger || w.bytes >= cfg.MaxBytesPerLedger:
		if cfg.MinRollover == 0 || time.Since(w.begun) >= cfg.MinRollover {
			w.fillLocked()
		}
	case w.l.spare == nil && !w.l.wantSpare:
		w.l.wantSpare = true
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
	l.m.cache.put(l, w.id, adds[:n])

	l.mu.Lock()
	done := w.done[:0]
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
		done = append(done, op)
	}
	if entries > 0 {
		l.chain.grow(entries, bytes)
		l.lac = done[entries-1].Position
		l.added += entries
		l.stalled, l.pause = time.Time{}, 0
		w.last = time.Now()
		if w.wanter != nil && w.last.Sub(w.checked) >= time.Second {
			w.checked = w.last
			if w.open() && !w.over && w.wanter.RolloverWanted() {
				w.fillLocked()
			}
		}
	}
	l.mu.Unlock()

	complete(done)
	clear(done)

	l.mu.Lock()
	w.done = done
	w.inflight -= len(adds)
	if l.idle != nil && (w.inflight == 0 || w.broken != nil) {
		close(l.idle)
		l.idle = nil
	}
	if w.broken != nil || w.full && w.inflight == 0 {
		l.kickLocked()
	}
	l.mu.Unlock()
}

// armLocked sets the timer for the next moment at which the ledger may have to be rolled over by time.
func (w *writer) armLocked() {
	cfg := w.l.cfg
	w.until = time.Time{}
	if cfg.MaxRollover > 0 {
		w.until = w.begun.Add(cfg.MaxRollover + time.Duration(rand.Int64N(int64(cfg.MaxRollover/20)+1)))
	}
	w.rearmLocked()
}

func (w *writer) rearmLocked() {
	next := w.until
	if inactive := w.l.cfg.InactiveRollover; inactive > 0 {
		if t := w.last.Add(inactive); next.IsZero() || t.Before(next) {
			next = t
		}
	}
	w.disarm()
	if !next.IsZero() {
		w.timer = time.AfterFunc(time.Until(next), w.expire)
	}
}

func (w *writer) disarm() {
	for _, t := range []**time.Timer{&w.timer, &w.patience} {
		if *t != nil {
			(*t).Stop()
			*t = nil
		}
	}
}

// expire rolls the ledger over when it is old, or when nothing was written to it for long.
func (w *writer) expire() {
	l := w.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.w != w || !w.open() || l.dead != nil {
		return
	}
	old := !w.until.IsZero() && !time.Now().Before(w.until)
	inactive := l.cfg.InactiveRollover > 0 && time.Since(w.last) >= l.cfg.InactiveRollover
	switch {
	case !old && !inactive:
		w.rearmLocked()
		return
	case w.over && time.Since(w.last) < rollRetry: // it is in use, and waits for metadata already
		w.tryOnLocked()
		w.timer = time.AfterFunc(rollRetry, w.expire)
		return
	}
	w.fillLocked()
	l.kickLocked()
}

package ledger

import (
	"fmt"
	"slices"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/quorum"
)

// changeLocked starts an ensemble change unless one is under way, which takes the new failure along. From here to its end
// nothing is confirmed (interop §3.4).
func (w *writer) changeLocked(why error) {
	if w.changing || w.err != nil {
		return
	}
	w.changing = w.c.start(func() { w.change(why) })
}

// change replaces failed members until there are none, or no bookies to replace them with. In the latter case the ledger
// goes on as long as what is left can make the ack quorum; else it ends.
func (w *writer) change(why error) {
	for {
		failed, current, lac, ok := w.failures()
		if !ok {
			return
		}
		members := w.replacements(failed, current)
		var err error
		if len(members) > 0 {
			err = w.persist(lac, current, members)
		}
		w.mu.Lock()
		switch {
		case w.err != nil:
		case err != nil:
			w.breakLocked(err)
		case len(members) == 0:
			w.goOnLocked(why)
		default:
			w.replaceLocked(members)
			w.mu.Unlock()
			continue
		}
		w.changeEndsLocked()
		w.mu.Unlock()
		return
	}
}

// failures is the failed members now, the ensemble, and the last confirmed entry, which stays what it is. With nothing to
// do it ends the change and returns false.
func (w *writer) failures() (failed []*member, current []string, lac int64, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.members {
		if m.failed {
			failed = append(failed, m)
		}
	}
	if w.err != nil || len(failed) == 0 {
		w.changeEndsLocked()
		return nil, nil, 0, false
	}
	return failed, idsOf(w.members), w.window.LAC(), true
}

func (w *writer) changeEndsLocked() {
	w.changing = false
	w.confirmLocked()
	w.calm.Broadcast()
}

// replacements finds a bookie for each failed member, as far as there are any. When there is no other, the failed bookie
// itself is taken back once it is writable and out of quarantine: it has fewer entries than the metadata says, like any
// slow bookie, and is asked for nothing that it must have.
func (w *writer) replacements(failed []*member, current []string) []*member {
	var members []*member
	without := slices.Clone(current)
	writable, avoid := w.c.bookies.Writable(), w.c.avoided()
	for _, f := range failed {
		for {
			others := quorum.Choose(1, writable, without, avoid, w.c.o.pick)
			if len(others) == 0 {
				break
			}
			without = append(without, others[0])
			if conn, err := w.c.bookies.Conn(others[0]); err == nil {
				members = append(members, &member{index: f.index, id: others[0], conn: conn})
				f = nil
				break
			}
			w.c.quarantine(others[0])
		}
		if f == nil || !slices.Contains(writable, f.id) || slices.Contains(avoid, f.id) {
			continue
		}
		if conn, err := w.c.bookies.Conn(f.id); err == nil {
			members = append(members, &member{index: f.index, id: f.id, conn: conn})
		}
	}
	return members
}

// persist makes the changed ensemble, from the entry behind lac on, durable in the metadata. A recovery keeps it in memory
// until it closes the ledger.
func (w *writer) persist(lac int64, current []string, members []*member) error {
	next := slices.Clone(current)
	for _, m := range members {
		next[m.index] = m.id
	}
	if slices.Equal(next, current) {
		return nil // failed bookies that came back
	}
	w.mu.Lock()
	md, version := w.md, w.version
	w.mu.Unlock()
	if w.recovering && w.c.o.mutant != mutantPersistEarly {
		md = md.Clone()
		if !md.SetEnsemble(lac+1, next) {
			return fmt.Errorf("ensemble change at entry %d: %w", lac+1, bk.ErrRecovery)
		}
		w.mu.Lock()
		w.md = md
		w.mu.Unlock()
		return nil
	}
	md, version, err := w.c.update(w.ctx, w.id, md, version, func(md *bkwire.Metadata) (bool, error) {
		if md.State != bkwire.Open && !w.recovering {
			return false, bk.ErrFenced
		}
		if !md.SetEnsemble(lac+1, next) {
			return false, fmt.Errorf("ensemble change at entry %d: %w", lac+1, bk.ErrMetadata)
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.md, w.version = md, version
	w.mu.Unlock()
	w.c.log.Info("ensemble changed", "ledger", w.id, "first", lac+1, "bookies", next)
	return nil
}

// replaceLocked puts the new members in place. What the former ones acknowledged of pending entries no longer counts, and
// the new ones get all of it.
func (w *writer) replaceLocked(members []*member) {
	w.c.metrics.changes.Add(1)
	for _, m := range members {
		w.members[m.index] = m
		if w.c.o.mutant != mutantKeepAcks {
			w.window.Forget(m.index)
		}
		for o := w.pending.first; o != nil; o = o.next {
			if quorum.Holds(m.index, o.entry, w.md.Quorum) {
				o.send(m)
			}
		}
	}
	w.flushLocked()
}

// goOnLocked decides what becomes of a ledger that misses bookies: it goes on with those it has when they can make the ack
// quorum of every entry (Apache ends it; interop §11b), and is marked as under-replicated.
func (w *writer) goOnLocked(why error) {
	if !w.spareLocked(nil) {
		var left []string
		for _, m := range w.members {
			if !m.failed {
				left = append(left, m.id)
			}
		}
		w.breakLocked(fault.LedgerNotEnough.New("of %v only %v are left and none replaces the others: %w", idsOf(w.members), left, fmt.Errorf("%w: %w", bk.ErrNotEnough, why)))
		return
	}
	for _, m := range w.members {
		if m.failed {
			w.c.marks.add(w.id, m.id)
		}
	}
	w.armLocked(time.Now(), w.c.o.Retry)
}

// RolloverWanted implements bk.RolloverWanter: the ledger was made smaller than asked for, and there are bookies enough now.
func (w *writer) RolloverWanted() bool {
	w.mu.Lock()
	smaller := w.err == nil && w.md.Quorum != w.asked
	w.mu.Unlock()
	if !smaller {
		return false
	}
	avoid := w.c.avoided()
	good := 0
	for _, id := range w.c.bookies.Writable() {
		if !slices.Contains(avoid, id) {
			good++
		}
	}
	return good > w.md.Quorum.Ensemble
}

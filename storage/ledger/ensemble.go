package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/quorum"
)

// An ensemble change names another bookie in place of a failed one. It holds nobody up: entries that have their ack quorum
// without the failed bookie are confirmed all the while. While the metadata is away it is put off.

const (
	// maxChanges is how many ledgers of a client change their metadata at once: a bookie that goes is missed by all of them.
	maxChanges = 16
	// probeTime is how long the metadata may take to answer before a change is put off.
	probeTime = 3 * time.Second
	// probePause is for how long it is then left in peace.
	probePause = time.Second
	// awayNews is how long it must have been there for its going to be told.
	awayNews = time.Minute
	// longestPause is that between two attempts at a change that may have been written already.
	longestPause = time.Second
)

// changeLocked starts an ensemble change unless one is under way, which takes the new failure along.
func (w *writer) changeLocked() {
	if w.changing || w.err != nil {
		return
	}
	w.changing = w.c.start(w.change)
	w.seeking = w.changing && !w.blind
}

// writingLocked reports whether a change is being written to the metadata, which may take long, and knows nothing of what failed since.
func (w *writer) writingLocked() bool { return w.changing && !w.seeking && !w.recovering }

// change replaces failed members until nothing more can be done for now.
func (w *writer) change() {
	defer w.c.phase("ensemble change", w.id)()
	for {
		seen := w.round()
		w.mu.Lock()
		if w.ctx.Err() != nil || w.gaps == 0 || seen == w.failures {
			w.changing, w.seeking = false, false
			if w.gaps > 0 && w.ctx.Err() == nil {
				w.missLocked(time.Now())
			}
			w.confirmLocked()
			w.calm.Broadcast()
			w.mu.Unlock()
			return
		}
		w.seeking = !w.blind // more failed meanwhile
		w.mu.Unlock()
	}
}

// round replaces the members that are failed now, as far as there are others and metadata. It returns how many failures it knows of.
func (w *writer) round() (seen int) {
	leave := func() {}
	if !w.inMemory() {
		select {
		case w.c.changes <- struct{}{}:
			leave = sync.OnceFunc(func() { <-w.c.changes })
			defer leave()
		case <-w.ctx.Done():
			return 0
		}
	}
	failed, current, seen, desperate := w.missing()
	joining := w.successors(failed, current, desperate)
	var md *bkwire.Metadata
	var version meta.Version
	blind := false
	if len(joining) > 0 && !w.inMemory() {
		var err error
		if md, version, err = w.probe(); err != nil {
			w.end(err)
			joining = nil
		}
		blind = err != nil
	}
	w.mu.Lock()
	w.seeking, w.blind = false, blind
	joining = slices.DeleteFunc(joining, func(m *member) bool { return !w.leaveLocked(w.members[m.index]) })
	if len(joining) < len(failed) && seen == w.failures {
		w.putOffLocked()
	}
	current = idsOf(w.members)
	w.mu.Unlock()
	if len(joining) == 0 {
		return seen
	}
	next := current
	for _, m := range joining {
		next[m.index] = m.id
	}
	if err := w.persist(md, version, next, joining, leave); err != nil {
		w.end(err)
	}
	return seen
}

// missing is the failed members and the ensemble, and whether any bookie would do.
func (w *writer) missing() (failed []*member, current []string, seen int, desperate bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.members {
		if m.failed {
			failed = append(failed, m)
		}
	}
	desperate, w.desperate = w.desperate, false
	return failed, idsOf(w.members), w.failures, desperate
}

// successors finds another bookie for each failed member, as far as there are any. Bookies that failed lately are none: two that are
// gone but still registered would take turns for ever. Without an ack quorum they are better than nothing, at the pace in
// which the ledger then looks for bookies.
func (w *writer) successors(failed []*member, current []string, desperate bool) []*member {
	var joining []*member
	writable, avoid, without := w.c.bookies.Writable(), w.c.avoided(), slices.Clone(current)
	if !desperate {
		without = append(without, avoid...)
	}
	for _, f := range failed {
		for {
			others := quorum.Choose(1, writable, without, avoid, w.c.o.pick)
			if len(others) == 0 {
				break
			}
			without = append(without, others[0])
			if conn, err := w.c.bookies.Conn(others[0]); err == nil {
				joining = append(joining, w.c.newMember(f.index, others[0], conn))
				break
			}
			w.c.quarantine(others[0], bk.ErrUnavailable)
		}
	}
	return joining
}

// inMemory reports whether the change is kept in memory: a recovery's is until it closes the ledger.
func (w *writer) inMemory() bool { return w.recovering }

// errLater is that somebody else changed the ensemble behind the entry of ours.
var errLater = fmt.Errorf("a later ensemble is there: %w", bk.ErrMetadata)

// errAway is that the metadata does not answer; the change is put off.
var errAway = errors.New("the metadata is away")

// probe reads the ledger's metadata. From the moment in which a change may have been written until its fate is known, neither the
// failed bookie nor its successor is of use. So there must be somebody to write it to.
func (w *writer) probe() (*bkwire.Metadata, meta.Version, error) {
	if w.c.metaAway() {
		return nil, 0, errAway
	}
	ctx, cancel := context.WithTimeout(w.ctx, probeTime)
	defer cancel()
	md, version, err := w.c.load(ctx, w.id)
	switch {
	case w.ctx.Err() != nil:
		return nil, 0, errAway
	case err == nil && md.State != bkwire.Open && !w.recovering:
		return nil, 0, bk.ErrFenced
	case err == nil || errors.Is(err, bk.ErrNoLedger):
		return md, version, err
	}
	if w.c.sawMetaAway() {
		w.c.log.Warn("ensemble changes are put off", "ledger", w.id, "error", err)
	}
	return nil, 0, errAway
}

// end ends the writer over an error of a change, if it is one to end over.
func (w *writer) end(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !errors.Is(err, errAway) {
		w.breakLocked(err)
	}
}

// leaveLocked prepares a failed member for being replaced in the metadata; false when that is not called for any more.
func (w *writer) leaveLocked(m *member) bool {
	if !m.failed || w.err != nil {
		return false
	}
	m.leaving = true
	return true
}

// putOffLocked is called when failed members stay without successors for now. Nothing is held for them any longer.
func (w *writer) putOffLocked() {
	for _, m := range w.members {
		if m.failed && !m.leaving {
			m.dropAgain()
			w.markLocked(m)
		}
	}
	if w.gaps > 0 && w.writingLocked() {
		w.missLocked(time.Now())
	}
}

// beginLocked is the entry that a change made now begins with: the first that all successors can have from, and that no bookie
// they replace helped to confirm.
func (w *writer) beginLocked(joining []*member) int64 {
	first := int64(0)
	for _, j := range joining {
		m := w.members[j.index]
		if !m.holds {
			m.holds, m.from = true, w.window.LAC()+1
		}
		first = max(first, m.from)
	}
	return max(first, w.md.LastSegment().First)
}

// persist makes the changed ensemble durable in the metadata and puts the new members in place. It returns when it is known whether
// the change was written, or with the writer's end. It calls leave when others need not wait for it.
func (w *writer) persist(md *bkwire.Metadata, version meta.Version, next []string, joining []*member, leave func()) error {
	change := func(md *bkwire.Metadata) (bool, error) {
		if md.State != bkwire.Open && !w.recovering {
			return false, bk.ErrFenced
		}
		if slices.Equal(md.LastSegment().Bookies, next) {
			return false, nil // by an attempt whose answer was lost
		}
		w.mu.Lock()
		first := w.beginLocked(joining)
		w.mu.Unlock()
		if !md.SetEnsemble(first, next) {
			return false, fmt.Errorf("ensemble change at entry %d: %w", first, errLater)
		}
		return true, nil
	}
	if w.inMemory() {
		md = w.md.Clone()
		if _, err := change(md); err != nil {
			return fmt.Errorf("%w: %w", bk.ErrRecovery, err)
		}
	} else {
		var err error
		if md, version, err = w.insist(md, version, change, leave); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.md = md
	if !w.inMemory() {
		w.version = version
		w.c.log.Info("ensemble changed", "ledger", w.id, "first", md.LastSegment().First, "bookies", next)
	}
	w.c.metrics.changes.Add(1)
	if w.err != nil {
		return nil // its Close says what is missing
	}
	for _, m := range joining {
		w.succeedLocked(w.members[m.index], m, md.LastSegment().First)
		w.againLocked(m, len(m.again))
	}
	return nil
}

// insist changes the metadata however long it is away: a change that was begun may have been written.
func (w *writer) insist(md *bkwire.Metadata, version meta.Version, change func(*bkwire.Metadata) (bool, error), leave func()) (*bkwire.Metadata, meta.Version, error) {
	for wait := unknownPause; ; wait = min(2*wait, longestPause) {
		ctx, cancel := context.WithTimeout(w.ctx, probeTime)
		next, v, err := w.c.update(ctx, w.id, md, version, change)
		cancel()
		switch {
		case err == nil, errors.Is(err, bk.ErrFenced), errors.Is(err, bk.ErrNoLedger), errors.Is(err, errLater):
			return next, v, err
		case w.ctx.Err() != nil:
			return nil, 0, errAway
		}
		leave()
		if w.c.sawMetaAway() {
			w.c.log.Warn("the metadata does not say whether an ensemble was changed, asking on", "ledger", w.id, "error", err)
		}
		if pause(w.ctx, wait) != nil {
			return nil, 0, errAway
		}
	}
}

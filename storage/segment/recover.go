package segment

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/strobemq/strobe/internal/fault"
)

// recovery is one start: what the directory holds, and in what state the last life left it.
type recovery struct {
	log    *Log
	found  []*found // segments by generation
	spare  []*segment
	failed mark                  // a sync that failed in the last life
	marked mark                  // the watermark
	rows   map[uint64]segmentRow // sealed segments that the table knows
	tail   link                  // the last group of the log
	lost   uint64                // generation up to which records are found to be lost now; 0: none
	why    string
}

// lose notes that records of a generation are gone.
func (r *recovery) lose(generation uint64, format string, args ...any) {
	if generation > r.lost {
		r.lost = generation
		r.why = fmt.Sprintf(format, args...)
	}
}

// found is one segment of the directory.
type found struct {
	seg  *segment
	seal *seal // nil: not sealed
}

// recover finds out what the directory holds and readies the writer behind it.
func (l *Log) recover() error {
	r := &recovery{log: l}
	for _, step := range []func() error{r.notes, r.files, r.begin, r.openTable, r.reconcile, r.scan, r.losses, r.resume} {
		if err := step(); err != nil {
			r.abandon()
			return err
		}
	}
	return nil
}

// abandon closes the files after an error.
func (r *recovery) abandon() {
	for _, f := range r.found {
		f.seg.file.Close()
	}
	for _, s := range r.spare {
		s.file.Close()
	}
}

// notes reads the small files and the watermark.
func (r *recovery) notes() (err error) {
	l := r.log
	if err := l.readLimbo(); err != nil {
		return err
	}
	if err := l.readQuarantine(); err != nil {
		return err
	}
	if r.failed, err = l.readFailure(); err != nil {
		return err
	}
	r.marked, err = l.loadMark()
	l.keeper.marked = r.marked
	return err
}

// begin fixes the log's identity and the generations it has had.
func (r *recovery) begin() error {
	l := r.log
	here := map[uint64]bool{}
	for _, f := range r.found {
		l.generation = max(l.generation, f.seg.generation)
		here[f.seg.generation] = true
	}
	l.generation = max(l.generation, r.marked.generation, l.lostUpTo.Load())
	l.state.change(func(s *state) {
		n := len(s.damage)
		s.damage = slices.DeleteFunc(s.damage, func(d damage) bool { return !here[d.generation] })
		s.unsaved = len(s.damage) != n
	})
	if l.id == (logID{}) {
		if _, err := rand.Read(l.id[:]); err != nil {
			return err
		}
	}
	return nil
}

// openTable opens the table, if there is one, and reads its segments. One whose bytes make no sense is removed, to be rebuilt from the
// footers; one that cannot be read now is left alone.
func (r *recovery) openTable() error {
	l := r.log
	if l.table.exists() {
		err := l.table.open(l.id)
		if err == nil {
			r.rows, err = l.table.segments()
		}
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errTableVersion):
			return fault.SegmentUnknownFormat.New("%s: %w", l.table.dir, err)
		case !badTable(err):
			return fmt.Errorf("table: %w", err)
		}
		l.o.Log.Warn("table is rebuilt from the segments", "err", err)
		if err := l.table.discard(); err != nil {
			return err
		}
	}
	// What recycled segments said of ledgers was in the table alone.
	next := uint64(1)
	for _, f := range r.found {
		if g := f.seg.generation; g != next && g > l.lostUpTo.Load()+1 {
			r.lose(l.generation, "the table is gone, and segments were recycled")
			break
		}
		next = f.seg.generation + 1
	}
	return nil
}

// reconcile brings table and files together: sealed segments that the table lacks are entered from their footers.
func (r *recovery) reconcile() error {
	l := r.log
	rows := r.rows
	if err := r.absences(rows); err != nil {
		return err
	}
	entered := false
	for _, f := range r.found {
		s := f.seg
		row, known := rows[s.generation]
		s.live, s.total, s.entered = row.live, row.total, known
		if f.seal == nil {
			continue
		}
		l.reg.sealed[s.generation] = s
		if known {
			continue
		}
		if err := l.keeper.enterFooter(s, *f.seal); errors.Is(err, errFooter) {
			// The power went while the footer was written.
			delete(l.reg.sealed, s.generation)
			f.seal = nil
		} else if err != nil {
			return err
		} else if err := s.ensureSeal(*f.seal); err != nil {
			return fault.SegmentDeviceFailed.New("sync %s: %w", s.name, err)
		} else {
			entered = true
		}
	}
	if entered {
		return l.table.flush()
	}
	return nil
}

// absences looks at segments that the table knows and the directory lacks: recycled, or lost.
func (r *recovery) absences(rows map[uint64]segmentRow) error {
	l := r.log
	here := map[uint64]bool{}
	recycled := map[uint64]bool{}
	for _, f := range r.found {
		here[f.seg.generation] = true
		recycled[f.seg.recycled] = true
	}
	for _, s := range r.spare {
		recycled[s.generation] = true
	}
	var gone []uint64
	for g, row := range rows {
		switch {
		case here[g]:
		case row.live > 0 && !recycled[g]:
			l.missing[g] = true
			r.lose(g, "%s is missing", segmentName(g))
		default:
			gone = append(gone, g)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	// At once and durably: when the file is recycled once more, nothing tells any more where it went.
	if err := l.table.change(func(b *pebble.Batch) error { return forget(b, gone) }); err != nil {
		return err
	}
	return l.table.flush()
}

// enterFooter enters a sealed segment from its footer.
func (k *keeper) enterFooter(s *segment, sl seal) error {
	var all []entering
	err := s.readFooter(sl, func(p *piece, row row) error {
		c := p.control
		e := entering{ledger: p.ledger, row: row}
		if c.key != nil || c.lac != nil || c.fenced || c.deleted || c.damaged {
			e.control = &c
		}
		all = append(all, e)
		if c.deleted {
			k.log.deleted = append(k.log.deleted, p.ledger)
		}
		return nil
	})
	if err != nil {
		return err
	}
	i := 0
	if err := k.enterAll(s, func() (entering, bool) {
		if i == len(all) {
			return entering{}, false
		}
		i++
		return all[i-1], true
	}); err != nil {
		return err
	}
	return k.deletes()
}

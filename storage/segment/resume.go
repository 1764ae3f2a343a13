package segment

import (
	"errors"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/strobemq/strobe/internal/fault"
)

// losses compares the log with the watermark and puts what is known of losses on record before anything is answered.
func (r *recovery) losses() error {
	l := r.log
	if end := r.endOf(r.marked.generation); end.before(r.marked) {
		r.lose(l.generation, "the log ends in segment %d at %d, but was durable up to segment %d at %d",
			end.generation, end.synced, r.marked.generation, r.marked.synced)
	}
	if r.lost == 0 {
		return nil
	}
	if err := l.lost(r.lost, r.why); err != nil {
		return err
	}
	// The loss is on record. The table need not miss the segments any more, so that somebody may accept it.
	if err := l.keeper.openTable(); err != nil {
		return err
	}
	if err := l.table.change(func(b *pebble.Batch) error { return forget(b, slices.Collect(maps.Keys(l.missing))) }); err != nil {
		return err
	}
	return l.table.flush()
}

// endOf is the end of the segment of that generation if it is here, otherwise of the youngest one.
func (r *recovery) endOf(generation uint64) mark {
	end := mark{}
	for _, f := range r.found {
		end = mark{f.seg.generation, f.seg.end.Load()}
		if f.seg.generation == generation {
			break
		}
	}
	return end
}

// resume readies the last segment, or a new one, for the writer.
func (r *recovery) resume() error {
	l := r.log
	l.writer = newWriter(l)
	l.reg.pool = append(l.reg.pool, r.spare...)
	r.spare = nil
	n := len(l.reg.open)
	// A segment that was made ready and never used is the next one.
	if n > 1 && l.reg.open[n-1].end.Load() == groupsAt {
		n--
		unused := l.reg.open[n].segment
		l.reg.open = l.reg.open[:n]
		if unused.generation > l.lostUpTo.Load() {
			if err := r.reuse(unused); err != nil {
				return fault.SegmentDeviceFailed.New("sync %s: %w", unused.name, err)
			}
			l.reg.next = unused
		} else {
			l.reg.pool = append(l.reg.pool, unused)
		}
	}
	l.writer.number, l.writer.previous = r.tail.number, r.tail.sum
	if n == 0 {
		return r.fresh()
	}
	last := l.reg.open[n-1]
	if err := last.ensure(); err != nil {
		return fault.SegmentDeviceFailed.New("sync %s: %w", last.name, err)
	}
	l.writer.open(last, last.end.Load())
	l.completer.seg = last
	for _, a := range l.reg.open[:n-1] {
		a.final.Store(true)
	}
	if r.failed.generation > 0 || last.generation <= l.lostUpTo.Load() || len(l.state.damage) > 0 || last.generation < r.youngest() {
		last.final.Store(true)
		return r.fresh()
	}
	return nil
}

// reuse readies a segment in which nothing is durable but, perhaps, its header: that and the name may be in the page cache alone. When its
// first sync failed, the group that was not to be seen is wiped out, and the note about it goes: as long as it stands, the next start would take
// what is written now for torn.
func (r *recovery) reuse(s *segment) error {
	l := r.log
	if s.disk > groupsAt {
		if _, err := s.file.WriteAt(make([]byte, groupHeaderSize), groupsAt); err != nil {
			return err
		}
	}
	if err := errors.Join(s.writeHeader(), l.fs.SyncDir(l.dir)); err != nil {
		return err
	}
	if s.generation != r.failed.generation {
		return nil
	}
	r.failed = mark{}
	return l.clearFailure()
}

// ensure makes durable what the scan found and nothing proves to be: it is served from now on, and a killed process may have left it in
// the page cache alone. It is written again, since a sync that failed before left pages that count as clean.
func (a *active) ensure() error {
	if err := a.rewrite(max(a.unsure, groupsAt), a.end.Load()); err != nil {
		return err
	}
	return a.file.Sync()
}

// ensureSeal is ensure for the footer and the seal of a segment that the table does not know yet: were they to go with the power, the
// segment would be open again, and say what later segments, whose footers stay, have taken back.
func (s *segment) ensureSeal(sl seal) error {
	if err := s.rewrite(sl.footerAt, sl.footerAt+sl.footerLen); err != nil {
		return err
	}
	if err := s.rewrite(0, groupsAt); err != nil {
		return err
	}
	return s.file.Sync()
}

// rewrite writes a part of the file again as it is read.
func (s *segment) rewrite(from, to int64) error {
	buf := make([]byte, 1<<20)
	for at := from; at < to; {
		b := buf[:min(int64(len(buf)), to-at)]
		if err := s.readFull(b, at); err != nil {
			return err
		}
		if _, err := s.file.WriteAt(b, at); err != nil {
			return err
		}
		at += int64(len(b))
	}
	return nil
}

// youngest is the generation of the youngest segment but the one that was made ready.
func (r *recovery) youngest() uint64 {
	g := uint64(0)
	for _, f := range r.found {
		if next := r.log.reg.next; next == nil || f.seg.generation != next.generation {
			g = max(g, f.seg.generation)
		}
	}
	return g
}

// fresh begins a new segment: what came before is not continued.
func (r *recovery) fresh() error {
	l := r.log
	if err := l.writer.roll(); err != nil {
		return err
	}
	l.completer.seg = l.writer.seg
	if r.failed.generation == 0 {
		return nil
	}
	for _, a := range l.reg.open {
		if a.generation == r.failed.generation {
			l.keeper.distrusted = a.generation
			return nil
		}
	}
	return l.clearFailure()
}

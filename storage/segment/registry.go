package segment

import (
	"path/filepath"
	"slices"
	"sync"
)

// registry is which segments there are. A segment is in one place at a time: next, open, sealed, or pool.
//
// A reader takes the open segments first and asks the table afterwards: what leaves the list has its rows before it does.
type registry struct {
	mu     sync.RWMutex
	open   []*active           // without a footer, oldest first; the last one is appended to; replaced, never changed
	sealed map[uint64]*segment // with a footer and rows in the durable table
	next   *segment            // ready to be appended to after the last open one
	pool   []*segment          // dead: their files are used again
}

// openSegments appends the open segments, oldest first, each with a reference for the caller.
func (r *registry) openSegments(dst []*active) []*active {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, a := range r.open {
		a.refs.Add(1)
		dst = append(dst, a)
	}
	return dst
}

// sealedSegment returns a sealed segment with a reference for the caller; nil when it is gone.
func (r *registry) sealedSegment(generation uint64) *segment {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := r.sealed[generation]
	if s != nil {
		s.refs.Add(1)
	}
	return s
}

// release gives a reference back. The last one sends a dead segment to the pool.
func (l *Log) releaseSegment(s *segment) {
	if s.refs.Add(-1) > 0 {
		return
	}
	l.reg.spare(s)
	l.kick()
}

// oldestFinal returns the oldest open segment if it can be sealed, and whether there is one.
func (r *registry) oldestFinal() (*active, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.open) == 0 || !r.open[0].final.Load() {
		return nil, false
	}
	return r.open[0], true
}

// last is the segment that is appended to.
func (r *registry) last() *active {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.open[len(r.open)-1]
}

// upcoming is the segment that comes after the last; nil: none was made yet. Whoever holds preparing has it to himself.
func (r *registry) upcoming() *segment {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.next
}

// written reports whether there is a file to go on in that was written before, as far as size at least: it takes no more disk.
func (r *registry) written(size int64) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.next != nil && r.next.disk >= size || slices.ContainsFunc(r.pool, func(s *segment) bool { return s.written() >= size })
}

// spare puts a dead segment into the pool.
func (r *registry) spare(s *segment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pool = append(r.pool, s)
}

// largest takes the file out of the pool of which most was written; nil: there is none.
func (r *registry) largest() *segment {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.pool) == 0 {
		return nil
	}
	best := 0
	for i, s := range r.pool {
		if s.written() >= r.pool[best].written() {
			best = i
		}
	}
	return r.takeLocked(best)
}

// surplus takes a dead segment out of the pool: one that has fewer than small bytes, or the oldest if there are more than keep; nil if there is none.
func (r *registry) surplus(keep int, small int64) *segment {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.pool, func(s *segment) bool { return s.written() < small })
	if i < 0 && len(r.pool) > keep {
		i = 0
	}
	if i < 0 {
		return nil
	}
	return r.takeLocked(i)
}

func (r *registry) takeLocked(i int) *segment {
	s := r.pool[i]
	r.pool = slices.Delete(slices.Clone(r.pool), i, i+1)
	return s
}

// add makes s the segment that is appended to.
func (r *registry) add(a *active) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = append(slices.Clip(r.open), a)
}

// seal moves the oldest open segment to the sealed ones.
func (r *registry) seal(a *active) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = slices.Clone(r.open[1:])
	r.sealed[a.generation] = a.segment
}

// deletedAfter reports whether an open segment newer than generation, or it itself, says that the ledger is deleted.
func (r *registry) deletedAfter(ledger int64, generation uint64) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, a := range r.open {
		if a.generation < generation {
			continue
		}
		if a.index.deleted(ledger) {
			return true
		}
	}
	return false
}

// prepare makes an empty segment of the next generation, from a file of the pool if there is one. File and name are durable. The
// caller holds preparing, so that generations ascend in the order of the log.
func (l *Log) prepare() (*segment, error) {
	generation := l.generation + 1
	old := l.reg.largest()
	step := "prepare"
	if old != nil {
		step = "recycle"
	}
	defer phase(l.o.Log, step)()
	s, err := l.makeSegment(generation, old)
	if err != nil {
		if old != nil {
			l.reg.spare(old)
		}
		return nil, err
	}
	l.generation = generation
	if err := l.fs.SyncDir(l.dir); err != nil {
		s.file.Close()
		return nil, err
	}
	return s, nil
}

// makeSegment is prepare without the directory. A new file that cannot be made leaves its generation unused: a gap looks like a segment
// that was recycled, and without a table like a loss.
func (l *Log) makeSegment(generation uint64, old *segment) (*segment, error) {
	h := header{generation: generation, id: l.id}
	name := filepath.Join(l.dir, segmentName(generation))
	if old != nil {
		h.recycled = old.generation
		size, err := old.file.Size()
		if err != nil {
			return nil, err
		}
		if err := l.fs.Rename(old.name, name); err != nil {
			return nil, err
		}
		old.name = name
		l.generation = generation // taken, whatever comes: another file must not replace this one
		s := newSegment(h, l.dir, old.file, size)
		l.metrics.recycled.Add(1)
		return s, s.writeHeader()
	}
	f, err := l.fs.Create(name)
	if err != nil {
		return nil, err
	}
	s := newSegment(h, l.dir, f, 0)
	if err := s.writeHeader(); err != nil {
		f.Close()
		if l.fs.Remove(name) != nil {
			l.generation = generation
		}
		return nil, err
	}
	return s, nil
}

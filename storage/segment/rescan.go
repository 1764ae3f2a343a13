package segment

import "io"

// scan rebuilds the indexes of the unsealed segments.
func (r *recovery) scan() error {
	r.tail = link{known: true} // what group number 1 follows
	unsealed := false          // the segment before
	for i, f := range r.found {
		if i == 0 && f.seg.generation != 1 || i > 0 && f.seg.generation != r.found[i-1].seg.generation+1 {
			r.tail.known = false
		}
		if f.seal == nil || unsealed {
			if err := r.follows(f.seg); err != nil {
				return err
			}
		}
		if unsealed = f.seal == nil; !unsealed {
			f.seg.end.Store(f.seal.end)
			r.tail = link{known: true, number: f.seal.lastGroup, sum: f.seal.lastGroupSum}
			continue
		}
		if err := r.scanOne(f.seg); err != nil {
			return err
		}
	}
	return nil
}

// follows checks that the first group of s is the next one in the log: otherwise the segment before has lost its end.
func (r *recovery) follows(s *segment) error {
	b := make([]byte, groupHeaderSize)
	if n, err := s.file.ReadAt(b, groupsAt); n < len(b) {
		if err == io.EOF {
			return nil
		}
		return err
	}
	g, ok := decodeGroupHeader(b, groupsAt, s.seed)
	if ok && !r.tail.admits(&g) {
		r.lose(s.generation-1, "the end of the segment before %s is gone", segmentName(s.generation))
		r.tail = link{}
	}
	return nil
}

func (r *recovery) scanOne(s *segment) error {
	l := r.log
	size, err := s.file.Size()
	if err != nil {
		return err
	}
	if r.failed.generation == s.generation {
		size = min(size, r.failed.synced)
	}
	a := &active{segment: s, index: newIndex()}
	out, err := l.scan(a, r.tail, size)
	if err != nil {
		return err
	}
	r.tail, a.last, a.unsure = out.last, out.last, out.synced
	for _, d := range out.damage {
		l.damaged(d)
	}
	if out.lost {
		r.lose(s.generation, "records of %s cannot be read", segmentName(s.generation))
	}
	if s.torn {
		l.damaged(damage{s.generation, 0, groupsAt})
	}
	l.reg.open = append(l.reg.open, a)
	l.enqueueDeleted(a)
	return nil
}

// enqueueDeleted has the keeper drop the rows of ledgers whose deletes the table may not have seen.
func (l *Log) enqueueDeleted(a *active) {
	for id, s := range a.index.ledgers {
		if s.deleted() {
			l.deleted = append(l.deleted, id)
		}
	}
}

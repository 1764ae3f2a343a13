package segment

import "github.com/strobemq/strobe/storage/bk"

// completer is the one goroutine that tells submitters: it makes what a sync covered visible to readers, then calls each Done
// once with all of its records, while the writer already works on the next group.
type completer struct {
	seg  *active // of the last commit
	list []*bk.Record
	next []*bk.Record
	gone []int64
}

func (l *Log) completeAll(w *writer) {
	for c := range w.full {
		l.complete(c)
		w.free <- c
	}
}

// complete publishes and completes one commit.
func (l *Log) complete(c *commit) {
	p := &l.completer
	if p.seg != c.seg {
		if p.seg != nil {
			p.seg.final.Store(true)
			l.kick()
		}
		p.seg = c.seg
	}
	p.publish(l, c)
	l.queue.done(c.bytes)
	p.deliver(c.records)
	clear(c.records)
	l.markProgress()
}

// publish enters the durable records of c into the segment's index.
func (p *completer) publish(l *Log, c *commit) {
	p.gone = p.gone[:0]
	for i, r := range c.records {
		if l.survivor(r) && c.offs[i] != 0 && l.deletedBefore(r.Ledger, c.seg) {
			c.offs[i] = 0 // the copy was on its way when the ledger was deleted
		}
	}
	x := c.seg.index
	x.mu.Lock()
	var s *slot
	ledger := int64(-1)
	for i, r := range c.records {
		if c.offs[i] == 0 {
			continue
		}
		if s == nil || r.Ledger != ledger {
			s, ledger = x.slotLocked(r.Ledger), r.Ledger
		}
		switch {
		case r.Kind == bk.RecordDelete:
			p.gone = append(p.gone, r.Ledger)
			s.applyLocked(r.Kind, r.Head)
		case r.Kind != bk.RecordEntry:
			s.applyLocked(r.Kind, r.Head)
		case !s.deleted():
			x.addLocked(s, r.Entry, c.offs[i], len(r.Head)+len(r.Body.B))
		}
	}
	x.mu.Unlock()
	c.seg.end.Store(c.end)
	if len(p.gone) > 0 {
		l.deleteMu.Lock()
		l.deleted = append(l.deleted, p.gone...)
		l.deleteMu.Unlock()
		l.kick()
	}
}

// deletedBefore reports whether an open segment other than a says that the ledger is deleted.
func (l *Log) deletedBefore(ledger int64, a *active) bool {
	l.reg.mu.RLock()
	defer l.reg.mu.RUnlock()
	for _, o := range l.reg.open {
		if o != a && o.index.deleted(ledger) {
			return true
		}
	}
	return false
}

// deliver calls each Done once with its records, in the order of submission.
func (p *completer) deliver(records []*bk.Record) {
	for rest := records; len(rest) > 0; {
		done := rest[0].Done
		n := 1
		for n < len(rest) && rest[n].Done == done {
			n++
		}
		if n == len(rest) {
			done.RecordsDone(rest)
			return
		}
		p.list, p.next = append(p.list[:0], rest[:n]...), p.next[:0]
		for _, r := range rest[n:] {
			if r.Done == done {
				p.list = append(p.list, r)
			} else {
				p.next = append(p.next, r)
			}
		}
		done.RecordsDone(p.list)
		rest = append(rest[:0], p.next...)
		clear(p.list)
		clear(p.next)
	}
}

package segment

import "github.com/strobemq/strobe/storage/bk"

// completer is the one goroutine that tells submitters: it makes what a sync covered visible to readers, then calls each Done
// once with all of its records, while the writer already works on the next group.
type completer struct {
	log  *Log
	list []*bk.Record
	next []*bk.Record
}

func (l *Log) completeAll(w *writer) {
	for c := range w.full {
		if l.o.mutant != mutantEarlyAck {
			l.complete(c)
		}
		w.free <- c
	}
}

// complete publishes and completes one commit.
func (l *Log) complete(c *commit) {
	l.publish(c)
	l.queue.done(c.bytes)
	l.completer.deliver(c.records)
	clear(c.records)
}

// publish enters the durable records of c into the segment's index.
func (l *Log) publish(c *commit) {
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
		if r.Kind != bk.RecordEntry {
			s.applyLocked(r.Kind, r.Head)
			continue
		}
		if s.deleted() {
			continue
		}
		x.addLocked(s, r.Entry, c.offs[i], len(r.Head)+len(r.Body.B))
	}
	x.mu.Unlock()
	c.seg.end.Store(c.end)
}

// deliver calls each Done once with its records, in the order of submission.
func (p *completer) deliver(records []*bk.Record) {
	rest := records
	for len(rest) > 0 {
		done := rest[0].Done
		p.list, p.next = p.list[:0], p.next[:0]
		for _, r := range rest {
			if r.Done == done {
				p.list = append(p.list, r)
			} else {
				p.next = append(p.next, r)
			}
		}
		if done != nil {
			done.RecordsDone(p.list)
		}
		rest = append(rest[:0], p.next...)
	}
	clear(p.list)
	clear(p.next)
}

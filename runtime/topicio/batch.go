package topicio

import (
	"context"
	"sync"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/connectors"
)

// batch is what one Read of a Source returned: its records, and for each the entry whose acknowledgement waits for it.
type batch struct {
	records []connectors.Record
	of      []*entry // by record
	bytes   int      // of their payloads, about

	mu sync.Mutex
}

// entry is acknowledged when all of its records are done.
type entry struct {
	from *consumer
	ids  []wire.MessageID
	left int
	set  []int64 // bits of the messages of a batch that are not done; nil: not a batch
}

// setOf is the set of a batch of n messages none of which is done.
func setOf(n int32) []int64 {
	set := make([]int64, (n+63)/64)
	for i := range n {
		set[i/64] |= 1 << (i % 64)
	}
	return set
}

func (b *batch) open(from *consumer, ids []wire.MessageID) *entry {
	return &entry{from: from, ids: ids}
}

func (b *batch) add(e *entry, r connectors.Record) {
	e.left++
	b.records = append(b.records, r)
	b.of = append(b.of, e)
}

// undo takes back the records of e, the last entry, from start on.
func (b *batch) undo(e *entry, start int) {
	e.left = 0
	b.records, b.of = b.records[:start], b.of[:start]
}

// ack implements Batch.Ack: entries all of whose records are done are acknowledged, in one command a consumer.
func (b *batch) ack(_ context.Context, done []int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var from *consumer
	var ids []wire.MessageID
	flush := func() error {
		if len(ids) == 0 {
			return nil
		}
		err := from.ack(ids)
		ids = ids[:0]
		return err
	}
	one := func(e *entry) error {
		if e.left--; e.left > 0 {
			return nil
		}
		if e.from != from || len(ids) >= 1000 {
			if err := flush(); err != nil {
				return err
			}
			from = e.from
		}
		ids = append(ids, e.ids...)
		return nil
	}
	if done == nil {
		for _, e := range b.of {
			if err := one(e); err != nil {
				return err
			}
		}
		return flush()
	}
	for _, i := range done {
		if err := one(b.of[i]); err != nil {
			return err
		}
	}
	return flush()
}

// ackOne acknowledges one record by itself: a message of a batch by its index, so that it stays done when the others do not follow.
func (b *batch) ackOne(n int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.of[n]
	i := b.records[n].ID.Batch
	if e.left--; e.left == 0 || e.set == nil || i < 0 || len(e.ids) != 1 {
		if e.left > 0 {
			return nil
		}
		return e.from.ack(e.ids)
	}
	e.set[i/64] &^= 1 << (i % 64)
	id := e.ids[0]
	id.AckSet = e.set
	return e.from.ack([]wire.MessageID{id})
}

// unfinished is how many of its entries are not acknowledged.
func (b *batch) unfinished() (n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, e := range b.of {
		if (i == 0 || e != b.of[i-1]) && e.left > 0 {
			n += int64(len(e.ids))
		}
	}
	return n
}

// entries is how many entries of the topic its records came in.
func (b *batch) entries() (n int64) {
	for i, e := range b.of {
		if i == 0 || e != b.of[i-1] {
			n += int64(len(e.ids))
		}
	}
	return n
}

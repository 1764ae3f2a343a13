package instance

import (
	"container/heap"
	"context"
	"time"

	"github.com/strobemq/strobe/connectors"
)

// batch is what one Read returned, on its way. Its memory is the source's until all of it is acknowledged.
type batch struct {
	records []connectors.Record
	ack     func(ctx context.Context, done []int) error
	items   []item
	taken   int // items before it went to the worker

	// Guarded by Loop.mu:

	open  int   // items not yet acknowledged
	done  []int // items finished and not yet acknowledged
	acked bool  // at-most-once: acknowledged before anything was done
}

// item is one input on its way. It belongs to one stage at a time.
type item struct {
	batch    *batch
	record   *connectors.Record
	index    int // in the batch
	bytes    int64
	attempts int
	outputs  int  // not yet durable
	alone    bool // a call that it was in has failed: it goes alone, so that it cannot hurt others
	parked   bool
	lost     bool      // an output was given up, since the lease is lost
	due      time.Time // not to be tried before
}

// bytesOf is what a record counts against the limits.
func bytesOf(r *connectors.Record) int64 {
	n := 64 + len(r.Key) + len(r.Payload)
	for i := range r.Properties {
		n += len(r.Properties[i].Key) + len(r.Properties[i].Value)
	}
	return int64(n)
}

// begin makes b a batch of what Read returned; b may have been another batch before.
func (b *batch) begin(read connectors.Batch) (bytes int64) {
	b.records, b.ack = read.Records, read.Ack
	b.taken, b.open, b.acked = 0, len(read.Records), false
	b.done = b.done[:0]
	if cap(b.items) < len(b.records) {
		b.items = make([]item, len(b.records))
	}
	b.items = b.items[:len(b.records)]
	for i := range b.items {
		r := &b.records[i]
		b.items[i] = item{batch: b, record: r, index: i, bytes: bytesOf(r)}
		bytes += b.items[i].bytes
	}
	return bytes
}

// end lets go of the source's memory, so that b can be used again.
func (b *batch) end() {
	clear(b.items)
	b.records, b.ack = nil, nil
}

// delayed are the items in back-off, the first due on top.
type delayed []*item

func (d delayed) Len() int           { return len(d) }
func (d delayed) Less(i, j int) bool { return d[i].due.Before(d[j].due) }
func (d delayed) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *delayed) Push(x any)        { *d = append(*d, x.(*item)) }
func (d *delayed) Pop() any {
	old := *d
	it := old[len(old)-1]
	old[len(old)-1] = nil
	*d = old[:len(old)-1]
	return it
}

// popDue takes the first item that is due at now, nil if there is none.
func (d *delayed) popDue(now time.Time) *item {
	if len(*d) == 0 || (*d)[0].due.After(now) {
		return nil
	}
	return heap.Pop(d).(*item)
}

package instance

import "github.com/strobemq/strobe/connectors"

// finishLocked hands items that are done for good to the acker.
func (l *Loop) finishLocked(items []*item) {
	for _, it := range items {
		b := it.batch
		if b.acked {
			l.releaseLocked(b, 1, it.bytes)
			continue
		}
		if len(b.done) == 0 {
			l.acks = append(l.acks, b)
		}
		b.done = append(b.done, it.index)
	}
	if len(items) > 0 {
		wake(l.ackWake)
	}
}

// acknowledge is the acker: it acknowledges what is finished, one call at a time; what finishes meanwhile goes into the next.
func (l *Loop) acknowledge() {
	var list []int
	for {
		last := closed(l.writerDone)
		l.mu.Lock()
		var b *batch
		if len(l.acks) > 0 {
			b = l.acks[0]
			l.acks[0] = nil
			l.acks = l.acks[1:]
			list, b.done = b.done, list[:0]
		}
		l.mu.Unlock()
		switch {
		case l.ackCtx.Err() != nil:
			return
		case b != nil:
			l.ack(b, list)
			continue
		case last:
			return
		}
		select {
		case <-l.ackWake:
		case <-l.writerDone:
		case <-l.ackCtx.Done():
		}
	}
}

// ack acknowledges items of one batch.
func (l *Loop) ack(b *batch, list []int) {
	done := list
	if len(done) == len(b.records) {
		done = nil // all
	}
	err := b.ack(l.ackCtx, done)
	l.counts.acks.Add(1)
	if err != nil && l.ackCtx.Err() == nil {
		l.counts.systemErrors.Add(1)
		l.status.event("acknowledgement: "+err.Error(), true)
		switch connectors.ClassOf(err) {
		case connectors.BadConfig, connectors.Fatal:
			l.fail(err)
		default:
			l.breakSource(err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.beforehand && err == nil {
		b.acked = true
		l.ready = append(l.ready, b)
		wake(l.workWake)
		return
	}
	bytes := int64(0)
	for _, i := range list {
		bytes += b.items[i].bytes
	}
	l.releaseLocked(b, len(list), bytes)
}

// giveUpLocked forgets items whose lease is lost. They are not acknowledged: whoever reads the partition now has them too.
func (l *Loop) giveUpLocked(items []*item) {
	for _, it := range items {
		l.releaseLocked(it.batch, 1, it.bytes)
	}
}

// releaseLocked takes items of b off the limits.
func (l *Loop) releaseLocked(b *batch, items int, bytes int64) {
	l.inRecords -= items
	l.inBytes -= bytes
	if b.open -= items; b.open == 0 {
		b.end()
		l.free = append(l.free, b)
	}
	wake(l.readerWake)
	if l.beforehand {
		wake(l.workWake) // it waits for the last one when the loop drains
	}
}

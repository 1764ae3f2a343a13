package instance

import (
	"context"
	"slices"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/internal/fault"
)

// read is the reader: it keeps the source connected and the queue filled.
func (l *Loop) read() {
	select {
	case <-l.sinkUp: // nothing is read before there is somewhere to write it
	case <-l.drain:
		return
	case <-l.ctx.Done():
		return
	}
	for l.connect(l.readCtx, source, l.o.Source.Connect, false) {
		err := l.readUntilError()
		if l.isDraining() {
			return
		}
		l.counts.systemErrors.Add(1)
		l.counts.reconnects.Add(1)
		l.status.event("source: "+err.Error(), true)
		// The source starts again at what is acknowledged, so all that was read before must be finished first: otherwise it would be read twice.
		if !l.waitEmpty() {
			return
		}
		if !l.pause(source, 1, err, false) {
			return
		}
	}
}

func (l *Loop) readUntilError() error {
	ctx, stop := context.WithCancel(l.readCtx)
	defer stop()
	l.mu.Lock()
	l.stopRead, l.broken = stop, nil
	l.mu.Unlock()
	for {
		if !l.waitRoom() {
			return nil
		}
		b, err := l.o.Source.Read(ctx)
		l.mu.Lock()
		broken := l.broken
		l.mu.Unlock()
		switch {
		case broken != nil:
			return broken
		case err != nil:
			return err
		case len(b.Records) == 0:
			continue
		}
		if !l.enqueue(b) {
			return nil
		}
	}
}

// enqueue takes a batch in; false if it ended the loop.
func (l *Loop) enqueue(read connectors.Batch) bool {
	if l.exactly && l.o.Processor != nil || l.exactly && read.Records[0].Sequence == 0 {
		for i := range read.Records {
			if r := &read.Records[i]; !numbered(r) {
				l.fail(connectors.As(connectors.Fatal, fault.FunctionNoIndex.New("topic %s", r.Topic)))
				return false
			}
		}
	}
	l.counts.reads.Add(1)
	l.counts.received.Add(int64(len(read.Records)))
	if l.beforehand {
		read.Records = ownCopy(read.Records)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.newBatchLocked()
	l.inBytes += b.begin(read)
	l.inRecords += len(read.Records)
	if l.beforehand {
		for i := range b.items {
			b.done = append(b.done, i)
		}
		l.acks = append(l.acks, b)
		wake(l.ackWake)
		return true
	}
	l.ready = append(l.ready, b)
	wake(l.workWake)
	return true
}

// numbered tells whether r can be an input of effectively-once.
func numbered(r *connectors.Record) bool {
	return r.Sequence != 0 || r.HasIndex && r.Producer != "" || r.Reject != ""
}

func (l *Loop) newBatchLocked() *batch {
	if n := len(l.free); n > 0 {
		b := l.free[n-1]
		l.free = l.free[:n-1]
		return b
	}
	return &batch{}
}

// waitRoom waits until the limits allow another batch; false if the loop is to drain.
func (l *Loop) waitRoom() bool {
	return l.waitFor(l.readerWake, func() bool {
		return l.inRecords < l.o.MaxRecords && l.inBytes < l.o.MaxBytes || l.broken != nil
	})
}

// waitEmpty waits until nothing is in flight; false if the loop is to drain.
func (l *Loop) waitEmpty() bool {
	return l.waitFor(l.readerWake, func() bool { return l.inRecords == 0 })
}

// waitFor waits for a condition, which is asked under the lock after each wake; false if the loop is to drain.
func (l *Loop) waitFor(woken chan struct{}, condition func() bool) bool {
	for {
		if l.isDraining() {
			return false
		}
		l.mu.Lock()
		ok := condition()
		l.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-woken:
		case <-l.drain:
		case <-l.ctx.Done():
		}
	}
}

// breakSource has the source connected again: something it read could not be acknowledged, and only connecting brings it back.
func (l *Loop) breakSource(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = err
	if l.stopRead != nil {
		l.stopRead()
	}
	wake(l.readerWake)
}

// ownCopy copies records whose memory the source may use again at once.
func ownCopy(records []connectors.Record) []connectors.Record {
	own := slices.Clone(records)
	for i := range own {
		own[i].Key, own[i].Payload = slices.Clone(own[i].Key), slices.Clone(own[i].Payload)
		own[i].Properties = slices.Clone(own[i].Properties)
	}
	return own
}

package instance

import (
	"errors"
	"time"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/internal/fault"
)

// write is the writer: it keeps the sink connected and empties the outbox, one write at a time.
func (l *Loop) write() {
	if !l.connect(l.readCtx, sink, l.o.Sink.Connect, false) {
		return
	}
	close(l.sinkUp)
	for {
		box := l.nextBox()
		if box == nil || !l.deliver(box) {
			return
		}
		box.reset()
		l.mu.Lock()
		l.spare = box
		l.mu.Unlock()
	}
}

// nextBox waits for outputs and takes all there are; nil when there will be none any more.
func (l *Loop) nextBox() *outbox {
	for {
		last := closed(l.workerDone)
		l.mu.Lock()
		box := l.box
		if len(box.records) > 0 && l.ctx.Err() == nil {
			l.box, l.spare = l.spare, nil
			l.mu.Unlock()
			wake(l.workWake)
			return box
		}
		l.mu.Unlock()
		if last || l.ctx.Err() != nil {
			return nil
		}
		select {
		case <-l.writeWake:
		case <-l.workerDone:
		case <-l.ctx.Done():
		}
	}
}

// deliver writes all of box, however often that has to be tried; false if the loop is to end.
func (l *Loop) deliver(box *outbox) bool {
	for failures := 0; len(box.records) > 0; {
		n := len(box.records)
		if box.alone {
			n = 1
		}
		begin := time.Now()
		err := l.o.Sink.Write(l.ctx, box.records[:n])
		l.counts.writes.Add(1)
		l.counts.writeNanos.Add(int64(time.Since(begin)))
		var partial *connectors.BatchError
		var ok bool
		switch {
		case err == nil:
			_, ok = l.settle(box, n, nil)
			failures = l.sinkWorks(failures)
		case l.ctx.Err() != nil:
			return false
		case errors.As(err, &partial):
			if err, ok = l.settle(box, n, partial.Failed); !ok {
				return false
			}
			if err == nil { // what did not arrive never will
				failures = l.sinkWorks(failures)
				continue
			}
			failures++
			l.sinkFailed(err)
			ok = l.pause(sink, failures, err, true)
		case connectors.ClassOf(err) == connectors.BadData && n > 1:
			box.alone = true
			continue
		case connectors.ClassOf(err) == connectors.BadData:
			_, ok = l.settle(box, n, map[int]error{0: err})
		default:
			failures++
			l.counts.reconnects.Add(1)
			l.sinkFailed(err)
			ok = l.pause(sink, failures, err, true) && l.connect(l.ctx, sink, l.o.Sink.Connect, true)
		}
		if !ok {
			return false
		}
	}
	return true
}

// sinkWorks: a write came through after that many failures.
func (l *Loop) sinkWorks(failures int) int {
	if failures > 0 {
		l.status.up(sink)
	}
	return 0
}

func (l *Loop) sinkFailed(err error) {
	l.counts.systemErrors.Add(1)
	l.status.event("sink: "+err.Error(), true)
}

// settle takes the first n records out of box: those that arrived bring their items nearer to the end; those that will never go are
// replaced by a dead letter; those whose lease is lost go without a trace; the others stay, and err is why. It is not ok if a dead letter itself is refused: then there is no place
// left for the record.
func (l *Loop) settle(box *outbox, n int, failed map[int]error) (err error, ok bool) {
	finished, givenUp := l.finished[:0], l.givenUp[:0]
	kept := 0
	for i := range n {
		it := box.items[i]
		bad := failed[i]
		switch {
		case bad == nil:
			if it.parked {
				l.counts.parked.Add(1)
			} else {
				l.counts.written.Add(1)
			}
		case errors.Is(bad, connectors.ErrLeaseLost):
			it.lost = true
		case connectors.ClassOf(bad) != connectors.BadData:
			err = worse(err, bad)
			box.keep(i, kept)
			kept++
			continue
		case box.records[i].Topic == l.o.Spec.DeadLetter && it.parked:
			l.failNow(connectors.As(connectors.Fatal, fault.FunctionDeadLetter.New("%s: %w", l.o.Spec.DeadLetter, bad)))
			return bad, false
		case !it.parked:
			l.counts.userErrors.Add(1)
			it.parked = true
			letter := l.deadLetter(it, bad.Error(), code(bad))
			l.mu.Lock()
			l.number(it.record, &letter, parkedOrdinal, l.o.Processor == nil)
			l.mu.Unlock()
			box.records[i] = letter
			box.keep(i, kept)
			kept++
			l.parked(it, bad.Error())
			continue
		}
		if it.outputs--; it.outputs > 0 {
			continue
		}
		if it.lost {
			givenUp = append(givenUp, it)
			continue
		}
		finished = append(finished, it)
		if !it.parked {
			l.counts.processed.Add(1)
		}
	}
	box.cut(kept, n)
	l.mu.Lock()
	l.finishLocked(finished)
	l.giveUpLocked(givenUp)
	l.mu.Unlock()
	l.finished, l.givenUp = finished, givenUp
	return err, true
}

// worse is the one of two errors that decides what to do.
func worse(a, b error) error {
	if a == nil || connectors.ClassOf(b) > connectors.ClassOf(a) {
		return b
	}
	return a
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

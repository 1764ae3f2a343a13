package instance

import (
	"container/heap"
	"errors"
	"fmt"
	"time"

	"github.com/strobemq/strobe/connectors"
)

// worker is the state of the stage between queue and outbox. One goroutine.
type worker struct {
	chunk    []*item             // taken, not yet decided
	finished []*item             // accepted without outputs
	refused  []*item             // accepted with more outputs than can be numbered
	in       []connectors.Record // of one call
	troubles int                 // failures of the processor itself in a row
	limit    int                 // records in a call: halved when a call fails, doubled when a full one succeeds
}

// process is the worker: it takes what is ready, runs it through the processor and fills the outbox.
func (l *Loop) process() {
	for l.take() {
		chunk := l.work.chunk
		for len(chunk) > 0 {
			n := l.step(chunk)
			if n < 0 || l.isDraining() && !l.beforehand {
				return
			}
			chunk = chunk[n:]
		}
	}
}

// take fills the chunk with items that may be processed now; false if there will be none any more.
func (l *Loop) take() bool {
	w := &l.work
	clear(w.chunk)
	w.chunk = w.chunk[:0]
	for {
		if l.ctx.Err() != nil {
			return false
		}
		draining := l.isDraining()
		if draining && !l.beforehand {
			return false // what was only read is read again
		}
		l.mu.Lock()
		var wait time.Duration
		if !l.box.full(&l.o) {
			wait = l.gatherLocked()
		}
		last := draining && l.inRecords == 0
		l.mu.Unlock()
		if last {
			return false
		}
		if len(w.chunk) > 0 {
			return true
		}
		l.waitWork(wait, draining)
	}
}

// gatherLocked takes items that are due, then those that were read, up to the limits of a call; without any it says how long it is until one
// is due, 0 if none will be.
func (l *Loop) gatherLocked() (wait time.Duration) {
	w := &l.work
	bytes := int64(0)
	room := func() bool { return len(w.chunk) < w.limit && bytes < l.o.CallBytes }
	if len(l.delayed) > 0 {
		now := time.Now()
		for room() {
			it := l.delayed.popDue(now)
			if it == nil {
				break
			}
			w.chunk = append(w.chunk, it)
			bytes += it.bytes
		}
		if len(l.delayed) > 0 {
			wait = max(l.delayed[0].due.Sub(now), 1)
		}
	}
	for len(l.ready) > 0 && room() {
		b := l.ready[0]
		for b.taken < len(b.items) && room() {
			it := &b.items[b.taken]
			b.taken++
			w.chunk = append(w.chunk, it)
			bytes += it.bytes
		}
		if b.taken == len(b.items) {
			l.ready[0] = nil
			l.ready = l.ready[1:]
		}
	}
	return wait
}

func (l *Loop) waitWork(wait time.Duration, draining bool) {
	var due <-chan time.Time
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		due = t.C
	}
	drain := l.drain
	if draining {
		drain = nil // it has been seen
	}
	select {
	case <-l.workWake:
	case <-due:
	case <-drain:
	case <-l.ctx.Done():
	}
}

// step decides the first items of chunk, at least one, and returns how many; those that wait are decided too, unless order forbids it. Negative:
// the loop is to end, and what is left of chunk is not acknowledged.
func (l *Loop) step(chunk []*item) int {
	if chunk[0].record.Lease.Lost() {
		l.mu.Lock()
		l.giveUpLocked(chunk[:1])
		l.mu.Unlock()
		return 1
	}
	if reason := chunk[0].record.Reject; reason != "" {
		l.park(chunk[0], reason, "")
		return 1
	}
	n := 1
	for !chunk[0].alone && n < len(chunk) && n < l.work.limit && !chunk[n].alone && chunk[n].record.Reject == "" {
		n++
	}
	if l.o.Processor == nil {
		l.passOn(chunk[:n])
		return n
	}
	outputs, results, err := l.call(chunk[:n])
	switch {
	case err == nil:
		return l.decide(chunk[:n], outputs, results)
	case l.ctx.Err() != nil:
		return -1
	case n > 1 && !ownFault(err):
		// One of them makes the call fail, or all of them together do: alone, only the culprit will.
		for _, it := range chunk[:n] {
			it.alone = true
		}
		l.work.limit = max(n/2, 1)
		return 0
	case ownFault(err):
		return l.processorFailed(err)
	}
	l.counts.userErrors.Add(1)
	return l.failed(chunk[0], err.Error(), code(err))
}

// call runs items through the processor.
func (l *Loop) call(items []*item) ([]connectors.Output, []connectors.Result, error) {
	w := &l.work
	w.in = w.in[:0]
	for _, it := range items {
		w.in = append(w.in, *it.record)
	}
	begin := time.Now()
	l.counts.lastInvoked.Store(begin.UnixNano())
	outputs, results, err := l.o.Processor.Process(l.ctx, w.in)
	l.counts.callNanos.Add(int64(time.Since(begin)))
	l.counts.calls.Add(1)
	l.counts.callRecords.Add(int64(len(items)))
	if err == nil {
		err = checkCall(len(items), outputs, results)
	}
	if err == nil {
		if w.troubles > 0 {
			w.troubles = 0
			l.status.up(processor)
		}
		if len(items) == w.limit {
			w.limit = min(w.limit*2, l.o.CallRecords)
		}
	}
	return outputs, results, err
}

// checkCall holds a processor to its contract.
func checkCall(n int, outputs []connectors.Output, results []connectors.Result) error {
	if len(results) != n {
		return fmt.Errorf("the processor gave %d results for %d records", len(results), n)
	}
	last := 0
	for i := range outputs {
		in := outputs[i].Input
		if in < last || in >= n || results[in].Verdict != connectors.Accept {
			return fmt.Errorf("the processor gave an output for input %d after %d of %d", in, last, n)
		}
		last = in
	}
	return nil
}

// ownFault tells whether a processor's error is about itself, and no record's fault: it then says its class.
func ownFault(err error) bool {
	var e *connectors.Error
	return errors.As(err, &e) && e.Class != connectors.BadData
}

// processorFailed waits until the processor may be well again; the items stay where they are.
func (l *Loop) processorFailed(err error) int {
	l.counts.systemErrors.Add(1)
	l.status.event("processor: "+err.Error(), true)
	l.work.troubles++
	if !l.pause(processor, l.work.troubles, err, false) {
		return -1
	}
	return 0
}

// failed counts an attempt of an item and says how many items that decides: 1 if it is parked or waits aside, 0 if it is to be tried again now, since
// nothing may overtake it, -1 if the loop is to end.
func (l *Loop) failed(it *item, reason, code string) int {
	it.attempts++
	if it.attempts >= l.o.Spec.MaxAttempts {
		l.park(it, reason, code)
		return 1
	}
	l.counts.retried.Add(1)
	wait := l.o.RecordBackoff.after(it.attempts)
	l.status.event(fmt.Sprintf("attempt %d of %d: %s", it.attempts, l.o.Spec.MaxAttempts, reason), false)
	if l.events.allow() {
		l.o.Events.Info(fmt.Sprintf("attempt %d of %d failed, next in %v: %s", it.attempts, l.o.Spec.MaxAttempts, wait.Round(time.Millisecond), reason),
			"topic", it.record.Topic, "message", messageID(it.record))
	}
	if l.ordered {
		if !l.sleep(wait, false) {
			return -1
		}
		return 0
	}
	it.due = time.Now().Add(wait)
	l.mu.Lock()
	heap.Push(&l.delayed, it)
	l.mu.Unlock()
	return 1
}

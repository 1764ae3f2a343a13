package instance

import "github.com/strobemq/strobe/connectors"

// decide acts on the results of a call and returns how many items are decided, or a negative number if the loop is to end.
func (l *Loop) decide(items []*item, outputs []connectors.Output, results []connectors.Result) int {
	for i := 0; i < len(items); {
		accepted := i
		for accepted < len(items) && results[accepted].Verdict == connectors.Accept {
			accepted++
		}
		if accepted > i {
			outputs = l.accept(items[:accepted], i, outputs)
			i = accepted
			continue
		}
		it, res := items[i], results[i]
		l.counts.userErrors.Add(1)
		if res.Verdict == connectors.Reject {
			l.park(it, res.Reason, "")
		} else if n := l.failed(it, res.Reason, ""); n < 0 {
			return n
		} else if n == 0 {
			return i // its turn comes again before that of those behind it, whose results are void
		}
		i++
	}
	return len(items)
}

// accept takes over the outputs of items[from:], all accepted, and returns the outputs of those behind them.
func (l *Loop) accept(items []*item, from int, outputs []connectors.Output) []connectors.Output {
	w := &l.work
	w.finished, w.refused = w.finished[:0], w.refused[:0]
	l.mu.Lock()
	for i := from; i < len(items); i++ {
		it, n := items[i], 0
		for n < len(outputs) && outputs[n].Input == i {
			n++
		}
		own := outputs[:n]
		outputs = outputs[n:]
		switch {
		case n == 0:
			w.finished = append(w.finished, it)
			continue
		case l.exactly && n > maxOrdinal:
			it.outputs = n
			w.refused = append(w.refused, it)
			continue
		}
		it.outputs = n
		for j := range own {
			out := &own[j].Record
			l.number(it.record, out, j+1, false)
			l.box.add(it, out, false)
		}
	}
	l.finishLocked(w.finished)
	l.mu.Unlock()
	wake(l.writeWake)
	for _, it := range w.refused {
		err := tooMany(it.outputs)
		l.park(it, err.Error(), code(err))
	}
	return outputs
}

// passOn puts items into the outbox as they are.
func (l *Loop) passOn(items []*item) {
	l.mu.Lock()
	for _, it := range items {
		out := *it.record
		if l.o.Spec.Output != "" {
			out.Topic = l.o.Spec.Output
		}
		l.number(it.record, &out, 1, true)
		it.outputs = 1
		l.box.add(it, &out, true)
	}
	l.mu.Unlock()
	wake(l.writeWake)
}

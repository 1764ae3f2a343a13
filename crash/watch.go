package main

import (
	"bytes"
	"io"
	"sync"
)

// watch reads the log of one process as it is written, and knows which phases the process is in: at level debug a process says
// msg="phase begins" phase=NAME and msg="phase ended". It is given all lives of the process.
type watch struct {
	to io.Writer // where the log is kept

	mu      sync.Mutex
	part    []byte         // of a line
	open    map[string]int // how often each phase has begun and not ended
	waiting map[chan<- struct{}]string
}

func newWatch(to io.Writer) *watch {
	return &watch{to: to, open: map[string]int{}, waiting: map[chan<- struct{}]string{}}
}

// Write implements io.Writer.
func (w *watch) Write(b []byte) (int, error) {
	w.mu.Lock()
	for rest := b; len(rest) > 0; {
		line, more, ended := bytes.Cut(rest, []byte{'\n'})
		w.part = append(w.part, line...)
		if ended {
			w.lineLocked(w.part)
			w.part = w.part[:0]
		}
		rest = more
	}
	w.mu.Unlock()
	return w.to.Write(b)
}

func (w *watch) lineLocked(line []byte) {
	begins := bytes.Contains(line, []byte(`msg="phase begins"`))
	if !begins && !bytes.Contains(line, []byte(`msg="phase ended"`)) {
		return
	}
	phase := attribute(line, " phase=")
	if attribute(line, " process=") == "host" {
		phase = "host/" + phase
	}
	if attribute(line, " cursor=") == "pulsar.dedup" {
		phase = dedupSnapshot
	}
	if !begins {
		w.open[phase] = max(0, w.open[phase]-1) // one that is gone over from the life before ends without having begun
		return
	}
	w.open[phase]++
	for c, want := range w.waiting {
		if want == phase {
			close(c)
			delete(w.waiting, c)
		}
	}
}

// attribute is the value behind name in a line of slog's text form, without its quotes.
func attribute(line []byte, name string) string {
	_, rest, ok := bytes.Cut(line, []byte(name))
	if !ok {
		return ""
	}
	if len(rest) > 0 && rest[0] == '"' {
		value, _, _ := bytes.Cut(rest[1:], []byte{'"'})
		return string(value)
	}
	value, _, _ := bytes.Cut(rest, []byte{' '})
	return string(value)
}

// begins returns a channel that is closed when the phase begins next. forget is for when nobody waits any more.
func (w *watch) begins(phase string) (begun <-chan struct{}, forget func()) {
	c := make(chan struct{})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting[c] = phase
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.waiting, c)
	}
}

// killed returns the phases in which a process was when it was killed; of says which of them are its own, nil: all. The next life begins in none.
func (w *watch) killed(of func(phase string) bool) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var in []string
	for phase, n := range w.open {
		if of != nil && !of(phase) {
			continue
		}
		if n > 0 {
			in = append(in, phase)
		}
		delete(w.open, phase)
	}
	w.part = w.part[:0]
	return in
}

package ledger

import (
	"context"
	"sync"

	"github.com/strobemq/strobe/storage/bk"
)

// tail counts the entries that a recovery has read and that are being written again.
type tail struct {
	mu      sync.Mutex
	entries int
	bytes   int
	err     error
	changed chan struct{} // told after each completion
}

func newTail() *tail { return &tail{changed: make(chan struct{}, 1)} }

// add hands an entry to the rewriter and takes over payload.
func (t *tail) add(w *writer, payload bk.Buf) {
	t.mu.Lock()
	t.entries++
	t.bytes += len(payload.B)
	t.mu.Unlock()
	w.Add([]*bk.Add{{Body: payload, Done: t}})
}

// AddsDone implements bk.AddsDone.
func (t *tail) AddsDone(done []*bk.Add) {
	t.mu.Lock()
	for _, a := range done {
		t.entries--
		t.bytes -= len(a.Body.B)
		if a.Err != nil && t.err == nil {
			t.err = a.Err
		}
		a.Body.Release()
	}
	t.mu.Unlock()
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

// wait returns when at most so many entries and bytes are on their way, or the first error.
func (t *tail) wait(ctx context.Context, entries, bytes int) error {
	for {
		t.mu.Lock()
		enough, err := t.entries <= entries && t.bytes <= bytes, t.err
		t.mu.Unlock()
		if err != nil || enough {
			return err
		}
		select {
		case <-t.changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// setTotal sets the payload bytes before the next entry: in a recovery the entry that was read knows them.
func (w *writer) setTotal(total int64) {
	w.mu.Lock()
	w.total = total
	w.mu.Unlock()
}

// startChangeIfFailed has replacements looked for when bookies could not be reached from the start.
func (w *writer) startChangeIfFailed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.members {
		if m.failed {
			w.cause = bk.ErrUnavailable
			w.changeLocked()
			return
		}
	}
}

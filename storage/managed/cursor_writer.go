package managed

import (
	"context"
	"time"

	"github.com/strobemq/strobe/storage/bk"
)

// cursorWriter is the open ledger of a cursor. Its calls must not overlap.
type cursorWriter struct {
	ledger  bk.Ledger
	begun   time.Time
	entries int64
	result  chan error
	broken  error
	rested  bool // nothing was written since the flusher looked
}

func newCursorWriter(ledger bk.Ledger) *cursorWriter {
	return &cursorWriter{ledger: ledger, begun: time.Now(), result: make(chan error, 1)}
}

// append adds one position and waits until it is durable. After an error the ledger takes nothing more: whether the position is in
// it is unknown.
func (w *cursorWriter) append(ctx context.Context, position []byte) error {
	if w.broken != nil {
		return w.broken
	}
	w.rested = false
	w.ledger.Add([]*bk.Add{{Body: bk.Bytes(position), Done: w}})
	select {
	case err := <-w.result:
		w.broken = err
		w.entries++
	case <-ctx.Done():
		w.broken = ctx.Err()
	}
	return w.broken
}

// AddsDone implements bk.AddsDone. There is one add at a time, so the channel has room.
func (w *cursorWriter) AddsDone(done []*bk.Add) {
	for _, a := range done {
		w.result <- a.Err
	}
}

package managed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strobemq/strobe/storage/bk"
)

// abandonTimeout bounds the closing of a broken ledger.
const abandonTimeout = 5 * time.Second

// abandon closes a broken ledger, so that everything in flight comes back.
func (l *Ledger) abandon(ctx context.Context, w *writer) {
	// A fenced ledger's Close waits for the recoverer, who may have died; recover does its work then.
	ctx, cancel := context.WithTimeout(ctx, abandonTimeout)
	defer cancel()
	if err := w.ledger.Close(ctx); err != nil {
		l.logger().Debug("broken ledger not closed", "id", w.id, "err", err)
	}
	l.mu.Lock()
	w.disarm()
	w.closed = true
	if w.broken == nil {
		w.broken = bk.ErrClosed
	}
	l.mu.Unlock()
}

// recoverOr recovers a broken ledger or plans the next try. A ledger that broke before it took a single entry counts as a failed try
// too, or a cause that stays would use up ledgers as fast as they can be made.
func (l *Ledger) recoverOr(ctx context.Context, w *writer) {
	switch err := l.recover(ctx, w); {
	case err == ErrFenced:
	case err != nil:
		l.failed(err)
	case l.fruitless(w):
		l.failed(fmt.Errorf("ledger %d: %w", w.id, w.broken))
	}
}

func (l *Ledger) fruitless(w *writer) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.chain.find(w.id) == nil && !l.waiting.empty()
}

// recover finds out where a broken ledger ends, acknowledges what it holds after all and queues the rest for the next ledger. Until
// the end is known nothing is sent again: the ledger might still turn out to hold it, and the entry would be there twice
// (decisions: a fenced writer re-sends only what the recoverer did not make durable).
func (l *Ledger) recover(ctx context.Context, w *writer) error {
	r, err := l.m.ledgers.Open(ctx, w.id, true)
	if errors.Is(err, bk.ErrNoLedger) {
		l.fence(fmt.Sprintf("the open ledger %d was deleted", w.id))
		return ErrFenced
	}
	if err != nil {
		return fmt.Errorf("recover ledger %d: %w", w.id, err)
	}
	l.m.count.recovered.Add(1)
	last, length := r.LastConfirmed()
	l.mu.Lock()
	if tail := l.chain.find(w.id); tail != nil {
		if more := last + 1 - tail.entries; more > 0 {
			l.chain.grow(more, max(0, length-tail.size))
			l.lac = bk.Position{Ledger: w.id, Entry: last}
		}
		tail.timestamp = time.Now().UnixMilli()
	}
	l.w = nil
	l.keepReaderLocked(w.id, r)
	var done []*Op
	for op := w.failed.head; op != nil && op.Add.Entry != bk.NoEntry && op.Add.Entry <= last; op = w.failed.head {
		w.failed.pop()
		op.Position, op.Err = bk.Position{Ledger: w.id, Entry: op.Add.Entry}, nil
		done = append(done, op)
	}
	if errors.Is(w.broken, bk.ErrEntryTooLarge) { // the next ledger would not take it either
		for op := w.failed.pop(); op != nil; op = w.failed.pop() {
			op.Err = bk.ErrEntryTooLarge
			done = append(done, op)
		}
	}
	l.waiting.prepend(&w.failed)
	l.doomed = append(l.doomed, l.chain.dropEmpty()...)
	l.trimSoonLocked()
	l.mu.Unlock()
	l.logger().Info("ledger ended early", "id", w.id, "cause", w.broken, "last", last)
	complete(done)
	l.tellRolled(w.id)
	return nil
}

package connectors

import (
	"errors"
	"sync"
	"sync/atomic"
)

// Lease is a reader's turn at an input that one reads at a time (effectively-once). Its source ends it when another reader takes over or the
// connection is lost; it never comes back: another turn is another Lease. What was read in a turn that is over is read again by whoever has the
// next one, so a sink must not begin to write it, and whatever it holds on the turn's behalf, another needs.
//
// All or nothing behind a point: once one record of a turn was given up, none behind it may be written, or deduplication would take the ones
// between for written too. That is why a Lease stays lost. A nil Lease lasts for ever. Safe for concurrent use.
type Lease struct {
	lost atomic.Bool

	mu   sync.Mutex
	tell []chan<- struct{}
}

// Lost reports whether the turn is over.
func (l *Lease) Lost() bool { return l != nil && l.lost.Load() }

// Lose ends the turn. Idempotent; does not block.
func (l *Lease) Lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost.Store(true)
	for _, c := range l.tell {
		signal(c)
	}
	l.tell = nil
}

// Notify has c get a token, unless it holds one already, when the turn ends; at once if it is over.
func (l *Lease) Notify(c chan<- struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost.Load() {
		signal(c)
		return
	}
	l.tell = append(l.tell, c)
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

var (
	// ErrLeaseLost, for a record in a BatchError: its Lease is over. It is neither written nor acknowledged.
	ErrLeaseLost = errors.New("another instance reads this partition now")
	// ErrLeaseHeld, for a record in a BatchError: the reader before has not let go yet. It is to be written again soon.
	ErrLeaseHeld = errors.New("the instance that read this partition before has not let go of it yet")
)

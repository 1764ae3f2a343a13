package instance

import (
	"sync"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/functions"
)

// end is one of the parts that can be in trouble.
type end int

const (
	source end = iota
	sink
	processor
	ends
)

func (e end) String() string { return [...]string{"source", "sink", "processor"}[e] }

// recentErrors is how many errors a status shows.
const recentErrors = 10

// status is what the loop says of itself beside its counters. Its methods are safe for concurrent use, and take no other lock.
type status struct {
	mu         sync.Mutex
	instance   int
	generation int64
	now        functions.State
	since      time.Time
	isUp       [ends]bool
	trouble    [ends]error
	final      error // why it failed
	ended      bool
	recent     []functions.Event
}

func (s *status) init(o Options) {
	s.instance, s.generation = o.Index, o.Spec.Generation
	s.now, s.since = functions.StateStarting, time.Now()
	s.isUp[processor] = true
}

// up: an end works.
func (s *status) up(e end) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.isUp[e], s.trouble[e] = true, nil
	s.changeLocked()
}

// down: an end does not work because of err, and is tried again.
func (s *status) down(e end, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble[e] = err
	s.changeLocked()
}

// failed: the loop ends because of err. Only the first counts; it is false for others.
func (s *status) failed(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.final != nil || s.ended {
		return false
	}
	s.final = err
	s.changeLocked()
	return true
}

// stopped: the loop has ended.
func (s *status) stopped() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.changeLocked()
}

func (s *status) changeLocked() {
	state := functions.StateRunning
	for e := range ends {
		if !s.isUp[e] {
			state = functions.StateStarting
		}
	}
	if s.troubleLocked() != nil {
		state = functions.StateBackoff
	}
	switch {
	case s.final != nil:
		state = functions.StateFailed
	case s.ended:
		state = functions.StateStopped
	}
	if state != s.now {
		s.now, s.since = state, time.Now()
	}
}

func (s *status) troubleLocked() error {
	for _, err := range s.trouble {
		if err != nil {
			return err
		}
	}
	return nil
}

// event keeps an error for the status; system says that it is ours or the broker's, not the guest's.
func (s *status) event(text string, system bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.recent) == recentErrors {
		s.recent = append(s.recent[:0], s.recent[1:]...)
	}
	s.recent = append(s.recent, functions.Event{Time: time.Now(), Text: cut(text, maxReason), System: system})
}

func (s *status) read() functions.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := functions.Status{Instance: s.instance, Generation: s.generation, State: s.now, Since: s.since}
	err := s.final
	if err == nil && !s.ended {
		err = s.troubleLocked()
	}
	if err != nil {
		st.Error = err.Error()
		if f, ok := fault.Of(err); ok {
			st.Code = f.Code
		}
	}
	st.RecentErrors = append(st.RecentErrors, s.recent...)
	return st
}

// Lag is implemented by sources that know how far behind they are.
type Lag interface {
	// Lag is how many messages are waiting and how old the oldest of them is; ok is false while it is not known.
	Lag() (messages int64, seconds float64, ok bool)
}

// Status implements functions.Handle; the loop always knows its own.
func (l *Loop) Status() (functions.Status, bool) {
	st := l.status.read()
	c := &l.counts
	st.Received, st.Processed, st.Written = c.received.Load(), c.processed.Load(), c.written.Load()
	st.Retried, st.Parked = c.retried.Load(), c.parked.Load()
	st.UserErrors, st.SystemErrors = c.userErrors.Load(), c.systemErrors.Load()
	if at := c.lastInvoked.Load(); at != 0 {
		st.LastInvoked = time.Unix(0, at)
	}
	if n := c.callRecords.Load(); n > 0 {
		st.AvgLatencyMs = float64(c.callNanos.Load()) / float64(n) / 1e6
	}
	if lag, ok := l.o.Source.(Lag); ok {
		if messages, seconds, known := lag.Lag(); known {
			st.LagMessages, st.LagSeconds = messages, seconds
		}
	}
	st.Counters, st.Gauges = l.o.Meter.read()
	return st, true
}
